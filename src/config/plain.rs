//! How sections are read from values: one deserializer that knows where it is.
//!
//! There is one of it and not a chain of generic ones, since the code that reads each section is made anew for each
//! deserializer: that is megabytes. For the same reason what does not depend on the section is never inlined, and a
//! mistake is a single pointer.

use std::collections::VecDeque;
use std::fmt::Display;

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Value;

use super::tree::Step;

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Mistake(pub Box<Wrong>);

/// See [`Mistake`].
#[derive(Debug)]
pub(super) struct Wrong {
    /// The way down.
    pub path: VecDeque<Step>,
    /// In serde's words.
    pub message: String,
}

impl Mistake {
    #[cold]
    #[inline(never)]
    fn new(message: String) -> Self {
        Self(Box::new(Wrong { path: VecDeque::new(), message }))
    }

    #[cold]
    #[inline(never)]
    fn under(mut self, step: Step) -> Self {
        self.0.path.push_front(step);
        self
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Reads a value as a `T`.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Mistake> {
    T::deserialize(Plain(value))
}

/// See the module.
struct Plain(Value);

#[cold]
#[inline(never)]
fn is_not(value: &Value, expected: &dyn Expected) -> Mistake {
    let found = match value {
        Value::String(text) => Unexpected::Str(text),
        Value::Integer(n) => Unexpected::Signed(*n),
        Value::Float(n) => Unexpected::Float(*n),
        Value::Boolean(yes) => Unexpected::Bool(*yes),
        Value::Datetime(_) => Unexpected::Other("date"),
        Value::Array(_) => Unexpected::Seq,
        Value::Table(_) => Unexpected::Map,
    };
    Error::invalid_type(found, expected)
}

impl<'de> Deserializer<'de> for Plain {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(n) => visitor.visit_i64(n),
            Value::Float(n) => visitor.visit_f64(n),
            Value::Boolean(yes) => visitor.visit_bool(yes),
            // a date without quotes is as good as one with them
            Value::Datetime(date) => visitor.visit_string(date.to_string()),
            Value::Array(items) => visitor.visit_seq(Items { at: 0, items: items.into_iter() }),
            Value::Table(table) => visitor.visit_map(Entries::new(table)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0 {
            Value::Table(table) => visitor.visit_map(Entries::new(table)),
            other => Err(is_not(&other, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Choice { name, value: None }),
            Value::Table(table) if table.len() == 1 => match table.into_iter().next() {
                Some((name, value)) => visitor.visit_enum(Choice { name, value: Some(value) }),
                None => Err(Error::custom("wanted a word or a table with one key")),
            },
            other => Err(is_not(&other, &"a word or a table with one key")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Mistake> for Plain {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Items {
    at: usize,
    items: std::vec::IntoIter<Value>,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(Plain(item)).map(Some).map_err(|mistake| mistake.under(Step::Index(at)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries {
    entries: toml::map::IntoIter<String, Value>,
    key: String,
    value: Option<Value>,
}

impl Entries {
    fn new(table: toml::Table) -> Self {
        Self { entries: table.into_iter(), key: String::new(), value: None }
    }

    #[inline(never)]
    fn name(&mut self) -> Option<StringDeserializer<Mistake>> {
        let (key, value) = self.entries.next()?;
        self.value = Some(value);
        self.key = key;
        Some(self.key.clone().into_deserializer())
    }

    #[inline(never)]
    fn value(&mut self) -> Result<Plain, Mistake> {
        self.value.take().map(Plain).ok_or_else(|| Error::custom("a value without a key"))
    }

    /// The same mistake, under the entry at hand.
    #[cold]
    #[inline(never)]
    fn blame(&self, mistake: Mistake) -> Mistake {
        mistake.under(Step::Key(self.key.clone()))
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some(name) = self.name() else { return Ok(None) };
        seed.deserialize(name).map(Some).map_err(|mistake| self.blame(mistake))
    }

    #[inline(never)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        seed.deserialize(self.value()?).map_err(|mistake| self.blame(mistake))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A variant: its name, and what stands under it.
struct Choice {
    name: String,
    value: Option<Value>,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = Mistake;
    type Variant = Under;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Under), Mistake> {
        let name: StringDeserializer<Mistake> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Under(self.value)))
    }
}

struct Under(Option<Value>);

impl Under {
    fn value(self) -> Result<Plain, Mistake> {
        self.0.map(Plain).ok_or_else(|| Error::invalid_type(Unexpected::UnitVariant, &"a table with one key"))
    }
}

impl<'de> VariantAccess<'de> for Under {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match self.0 {
            None => Ok(()),
            Some(value) => Err(is_not(&value, &"a word")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mistake> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.value()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.value()?.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Plain,
        One(u8),
        Two(u8, u8),
        Fields { a: u8 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct All {
        kinds: Vec<Kind>,
        maybe: Option<f64>,
        pair: (bool, char),
        day: Option<String>,
    }

    fn all(text: &str) -> Result<All, String> {
        read(Value::Table(toml::from_str(text).unwrap())).map_err(|mistake: Mistake| {
            let path = mistake.0.path.iter().map(|step| format!("{step:?}")).collect::<Vec<_>>().join(" ");
            format!("{path}: {mistake}")
        })
    }

    #[test]
    fn every_shape_is_read_as_serde_reads_it() {
        let kinds = "kinds = ['plain', { one = 1 }, { two = [1, 2] }, { fields = { a = 3 } }]";
        let got = all(&format!("{kinds}\nmaybe = 2\npair = [true, 'x']\nday = 2026-05-01")).unwrap();
        assert_eq!(got.kinds, [Kind::Plain, Kind::One(1), Kind::Two(1, 2), Kind::Fields { a: 3 }]);
        assert_eq!((got.maybe, got.pair, got.day.as_deref()), (Some(2.0), (true, 'x'), Some("2026-05-01")));
    }

    #[test]
    fn mistakes_say_where() {
        let cases = [
            ("kinds = ['plain', { one = 300 }]", "Index(1): invalid value: integer `300`"),
            ("kinds = ['plane']", "Index(0): unknown variant `plane`"),
            ("kinds = [{ plain = 1 }]", "Index(0): invalid type: integer `1`, expected a word"),
            ("kinds = ['one']", "Index(0): invalid type: unit variant"),
            ("kinds = [1]", "Index(0): invalid type: integer `1`, expected a word or a table"),
            ("kinds = [{ fields = 7 }]", "Index(0): invalid type: integer `7`"),
            ("kinds = 1", "Key(\"kinds\"): invalid type: integer `1`, expected a sequence"),
            ("other = 1", "Key(\"other\"): unknown field `other`"),
            ("kinds = []", ": missing field `pair`"),
            ("maybe = 1979-05-27", "Key(\"maybe\"): invalid type: string \"1979-05-27\", expected f64"),
        ];
        for (text, want) in cases {
            let got = all(text).unwrap_err();
            assert!(got.contains(want), "{text}\n wanted {want}\n got {got}");
        }
    }
}
