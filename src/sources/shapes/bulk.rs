//! Elasticsearch's bulk: an action on one line, its document on the next.
//!
//! The document leaves as the line that it is. What cannot be taken is refused by itself, as the server would.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ShapeError;
use super::gather::Taken;
use super::json;

#[derive(Deserialize)]
struct About {
    #[serde(rename = "_index", default)]
    index: Option<String>,
    #[serde(rename = "_id", default)]
    id: Option<String>,
}

/// Takes the documents of a bulk; `items` tells what became of each.
pub(super) fn take(body: &[u8], limit: usize) -> Result<Taken, ShapeError> {
    let mut taken = Taken::default();
    let mut lines = body.split(|b| *b == b'\n').enumerate();
    while let Some((n, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let broken = ShapeError::Json { line: n + 1, column: 1 };
        json::shallow(line)?;
        let action: BTreeMap<String, About> = serde_json::from_slice(line).map_err(|_| broken)?;
        let Some((action, about)) = action.into_iter().next() else { return Err(broken) };
        if action == "delete" {
            item(&mut taken, &action, &about, Err((404, "not_found", "there is nothing to delete here")));
            continue;
        }
        let (_, document) = lines.next().ok_or(broken)?;
        let document = document.strip_suffix(b"\r").unwrap_or(document);
        let verdict = match action.as_str() {
            "index" | "create" if document.len() > limit => {
                taken.refused += 1;
                Err((413, "document_too_large", "the document is longer than this receiver takes"))
            }
            "index" | "create" if is_object(document) => {
                taken.line(document, limit);
                Ok(())
            }
            "index" | "create" => Err((400, "document_parsing_exception", "the document is no JSON object")),
            "update" => Err((400, "action_request_validation_exception", "only index and create are taken here")),
            _ => return Err(broken),
        };
        item(&mut taken, &action, &about, verdict);
    }
    Ok(taken)
}

fn is_object(document: &[u8]) -> bool {
    document.trim_ascii_start().starts_with(b"{")
        && json::shallow(document).is_ok()
        && serde_json::from_slice::<&RawValue>(document).is_ok()
}

fn item(taken: &mut Taken, action: &str, about: &About, verdict: Result<(), (u16, &str, &str)>) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let index = quoted(about.index.as_deref().unwrap_or("logs"));
    let place = taken.lines + taken.refused;
    let id = about.id.as_deref().map_or_else(|| format!("\"{place}\""), quoted);
    let comma = if taken.items.is_empty() { "" } else { "," };
    let head = format!("{comma}{{\"{action}\":{{\"_index\":{index},\"_id\":{id}");
    // a string takes everything
    let _infallible = match verdict {
        Ok(()) => write!(
            taken.items,
            "{head},\"_version\":1,\"result\":\"created\",\"_shards\":{{\"total\":1,\"successful\":1,\"failed\":0}},\
             \"_seq_no\":0,\"_primary_term\":1,\"status\":201}}}}"
        ),
        Err((status, kind, reason)) => {
            taken.errors = true;
            write!(
                taken.items,
                "{head},\"status\":{status},\"error\":{{\"type\":\"{kind}\",\"reason\":\"{reason}\"}}}}}}"
            )
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(taken: &Taken) -> serde_json::Value {
        serde_json::from_str(&format!("[{}]", taken.items)).unwrap()
    }

    #[test]
    fn documents_become_lines_and_each_item_is_answered() {
        let long = "x".repeat(100);
        let body = format!(
            "{{\"index\":{{\"_index\":\"a\\\"b\",\"_id\":\"7\"}}}}\n{{\"m\": 1}}\r\n{{\"create\":{{}}}}\n{{\"m\":2}}\n\
             {{\"delete\":{{\"_id\":\"1\"}}}}\n{{\"index\":{{}}}}\nno json\n{{\"index\":{{}}}}\n{{\"m\":\"{long}\"}}\n\
             {{\"update\":{{\"_id\":\"1\"}}}}\n{{\"doc\":{{}}}}\n\n"
        );
        let taken = take(body.as_bytes(), 50).unwrap();
        let text: String = taken.parts.iter().map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect();
        assert_eq!(text, "{\"m\": 1}\n{\"m\":2}\n");
        assert!(taken.errors);
        let items = items(&taken);
        let status = |item: &serde_json::Value| item.as_object().unwrap().values().next().unwrap()["status"].clone();
        let statuses: Vec<_> = items.as_array().unwrap().iter().map(status).collect();
        assert_eq!(statuses, [201, 201, 404, 400, 413, 400]);
        assert_eq!((&items[0]["index"]["_index"], &items[0]["index"]["_id"]), (&"a\"b".into(), &"7".into()));
    }

    #[test]
    fn what_is_no_bulk_is_refused_whole() {
        for bad in ["no json\n{}\n", "{}\n{}\n", "{\"index\":{}}\n{}\n{\"index\":{}}", "{\"drop\":{}}\n{}\n", "[]\n"] {
            let end_is_missing = bad.ends_with("{\"index\":{}}");
            assert!(take(bad.as_bytes(), 50).is_err() || end_is_missing, "{bad}");
        }
        assert!(take(b"{\"index\":{}}", 50).is_err());
    }
}
