//! The configuration described from its own doc comments: JSON Schema for editors, annotated TOML for people.

use std::collections::HashSet;
use std::fmt::Write;

use serde_json::{Map, Value};

/// The schema as a file, since what makes it of the structs is half a megabyte of program. A test holds it to them:
/// `UPDATE_DOCS=1 cargo test --lib config::` writes it anew.
const SCHEMA: &str = include_str!("schema.json");

/// The JSON Schema of the configuration file.
pub fn schema() -> Value {
    match serde_json::from_str(SCHEMA) {
        Ok(schema) => schema,
        Err(error) => unreachable!("the embedded schema is JSON: {error}"),
    }
}

/// Every section and key with its documentation and default, as TOML.
///
/// What has a default is commented out, so that the text says what holds and changes nothing.
pub fn reference() -> String {
    let schema = schema();
    let mut reader = Reader { defs: &schema["$defs"], told: HashSet::new() };
    let mut out = String::new();
    comment(&mut out, reader.doc(&schema).unwrap_or_default());
    comment(&mut out, "What stands behind a `#` is the default, or an example where there is none.");
    comment(&mut out, "In [sources.X], [sinks.X], [receivers.X] and the like, X is a name of your choice.");
    comment(&mut out, "A key that was explained is not explained again in the same section.");
    for (name, section) in reader.properties(&schema) {
        reader.told.clear();
        reader.section(&mut out, name, section);
    }
    out
}

struct Reader<'a> {
    defs: &'a Value,
    /// What was explained in this section.
    told: HashSet<(&'a str, &'a str)>,
}

/// A likely name for a section that wants one.
fn likely_name(section: &str) -> &'static str {
    match section {
        "keys" => "billing",
        "calendars" => "office",
        _ => "NAME",
    }
}

impl<'a> Reader<'a> {
    /// Follows `$ref`, also behind the `anyOf [.., null]` of an option.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema["$ref"].as_str() {
            return self.resolve(&self.defs[name.rsplit('/').next().unwrap_or(name)]);
        }
        let some = schema["anyOf"].as_array().and_then(|any| any.iter().find(|s| s["type"] != "null"));
        some.map_or(schema, |some| self.resolve(some))
    }

    fn doc(&self, schema: &'a Value) -> Option<&'a str> {
        schema["description"].as_str().or_else(|| self.resolve(schema)["description"].as_str())
    }

    fn properties(&self, schema: &'a Value) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let map: Option<&'a Map<String, Value>> = self.resolve(schema)["properties"].as_object();
        map.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    fn section(&mut self, out: &mut String, name: &str, schema: &'a Value) {
        let kind = self.resolve(schema);
        out.push('\n');
        comment(out, self.doc(schema).unwrap_or_default());
        if kind["type"] == "array" {
            self.table(out, &format!("[[{name}]]"), &kind["items"]);
        } else if kind["additionalProperties"].is_object() {
            self.named(out, name, &kind["additionalProperties"]);
        } else {
            self.table(out, &format!("[{name}]"), schema);
        }
    }

    /// A section with many tables: one for each of the shapes that its `type` chooses, else one.
    fn named(&mut self, out: &mut String, section: &str, schema: &'a Value) {
        let Some(shapes) = self.resolve(schema)["oneOf"].as_array() else {
            return self.table(out, &format!("[{section}.{}]", likely_name(section)), schema);
        };
        for shape in shapes {
            let name = shape["properties"]["type"]["const"].as_str().unwrap_or("NAME");
            out.push('\n');
            comment(out, self.doc(shape).unwrap_or_default());
            self.table(out, &format!("[{section}.{name}]"), shape);
        }
    }

    fn table(&mut self, out: &mut String, head: &str, schema: &'a Value) {
        let mut keys = String::new();
        let tables = self.keys(&mut keys, schema);
        // A table that wants a name and says nothing would be a mistake.
        let idle = head.contains('.') && !head.starts_with("[detect") && keys.lines().all(|l| l.starts_with('#'));
        let _ = writeln!(out, "{}{head}", if idle { "# " } else { "" });
        out.push_str(&keys);
        for (name, inner) in tables {
            out.push('\n');
            comment(out, self.doc(inner).unwrap_or_default());
            self.table(out, &format!("[{}.{name}]", head.trim_matches(['[', ']'])), inner);
        }
    }

    /// The plain keys of a table; gives back those that are tables themselves.
    fn keys(&mut self, out: &mut String, table: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let defaults = table.get("default").or_else(|| self.resolve(table).get("default"));
        let required = self.resolve(table)["required"].as_array();
        let mut tables = Vec::new();
        for (name, schema) in self.properties(table) {
            let kind = self.resolve(schema);
            if kind["properties"].is_object() {
                tables.push((name, schema));
                continue;
            }
            let doc = self.doc(schema).unwrap_or_default();
            if self.told.insert((name, doc)) {
                comment(out, doc);
                let words = self.words(kind);
                if !words.is_empty() {
                    comment(out, &format!("One of: {}.", words.join(", ")));
                }
            }
            let value = schema
                .get("const")
                .or_else(|| schema.get("default"))
                .or_else(|| defaults.and_then(|d| d.get(name)))
                .filter(|v| !v.is_null())
                .map(toml_text);
            let off = if required.is_some_and(|r| r.iter().any(|v| v == name)) { "" } else { "# " };
            let _ = writeln!(out, "{off}{name} = {}", value.unwrap_or_else(|| self.placeholder(schema, kind)));
        }
        tables
    }

    /// The words that an enum allows.
    fn words(&self, kind: &'a Value) -> Vec<String> {
        let plain = kind["enum"].as_array().into_iter().flatten();
        let documented = kind["oneOf"].as_array().into_iter().flatten().filter_map(|one| one.get("const"));
        plain.chain(documented).filter(|v| v.is_string()).map(Value::to_string).collect()
    }

    fn placeholder(&self, schema: &'a Value, kind: &'a Value) -> String {
        let example = |s: &'a Value| s["examples"].as_array().and_then(|e| e.first()).map(toml_text);
        if let Some(text) = example(schema).or_else(|| example(kind)) {
            return text;
        }
        if let Some(word) = self.words(kind).first() {
            return word.clone();
        }
        let ty = kind["type"].as_str().or_else(|| kind["type"].as_array().and_then(|t| t.first()?.as_str()));
        match ty {
            Some("array") => "[]",
            Some("object") => "{}",
            Some("boolean") => "false",
            Some("integer" | "number") => "0",
            _ => "\"...\"",
        }
        .to_owned()
    }
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "{}", format!("# {line}").trim_end());
    }
}

/// A JSON value written as TOML on one line.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k} = {}", toml_text(v))).collect();
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::parse;
    use crate::config::model::Config;

    #[test]
    fn the_embedded_schema_is_that_of_the_structs() {
        let mut schema = schemars::schema_for!(Config).to_value();
        schema["title"] = "Configuration of logwarden".into();
        // A line for each key, as one reads a difference, and no blanks before it, which would be carried along.
        let want: String = format!("{schema:#}").lines().map(|l| format!("{}\n", l.trim_start())).collect();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/schema.json");
            return std::fs::write(path, want).unwrap();
        }
        assert!(SCHEMA == want, "src/config/schema.json is not current; run UPDATE_DOCS=1 cargo test --lib config::");
    }

    #[test]
    fn the_reference_is_toml_and_names_every_section() {
        let text = reference();
        let uncommented: String = text.lines().map(|l| format!("{}\n", set(l))).collect();
        for text in [&text, &uncommented] {
            if let Err(error) = parse(vec![("reference.toml".into(), text.clone())]) {
                panic!("{error}");
            }
        }
        let schema = schema();
        for (name, _) in schema["properties"].as_object().unwrap() {
            assert!(["[", "[[", "# ["].iter().any(|open| text.contains(&format!("\n{open}{name}"))), "{name}\n{text}");
        }
    }

    /// A line of the reference with what it says switched on.
    fn set(line: &str) -> &str {
        let key = |l: &str| {
            l.split_once(" = ")
                .is_some_and(|(k, _)| k.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b)))
        };
        line.strip_prefix("# ").filter(|l| key(l) || (l.starts_with('[') && l.ends_with(']'))).unwrap_or(line)
    }

    #[test]
    fn every_key_is_documented() {
        fn walk(schema: &Value, path: &str, bare: &mut Vec<String>) {
            if let Value::Object(map) = schema {
                for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    let described = property.get("description").is_some() || property.get("const").is_some();
                    if !described && property.get("$ref").is_none() {
                        bare.push(format!("{path}.{name}"));
                    }
                }
                map.iter().for_each(|(key, value)| walk(value, &format!("{path}.{key}"), bare));
            }
            if let Value::Array(items) = schema {
                items.iter().for_each(|item| walk(item, path, bare));
            }
        }
        let mut bare = Vec::new();
        walk(&schema(), "", &mut bare);
        assert!(bare.is_empty(), "without a doc comment: {bare:?}");
    }
}
