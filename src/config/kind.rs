//! What a setting may be: a number, one of some words, a list, a section of further settings.
//!
//! In: the settings' own types. [`Kind::of`] asks them by `serde`: each type tells a deserializer
//! what it wants, and `Asked` writes that down. So no list of types stands beside the settings.
//! Out: words for messages, a check of what was typed, and a JSON schema.

mod asked;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use asked::Asked;

/// What a setting may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A number, with or without a fraction.
    Number,
    /// A whole number within this range.
    Whole(i64, u64),
    /// True or false.
    Switch,
    /// Text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of any length.
    List(Box<Kind>),
    /// A list of this length.
    Tuple(Box<Kind>, usize),
    /// Names that the user chooses, each with a value.
    Map(Box<Kind>),
    /// Settings by name.
    Section(Vec<(&'static str, Kind)>),
    /// The same, or null.
    OrNull(Box<Kind>),
    /// Anything: the type does not say.
    Any,
}

impl Kind {
    /// What values of `T` may be.
    pub fn of<T: DeserializeOwned>() -> Self {
        let mut kind = Self::Any;
        // An error only ends the questions early; what is not known is `Any`.
        let _ = T::deserialize(Asked(&mut kind));
        kind
    }

    /// In a reader's words, after "needs": `a number`, `exact, display or fast`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Number => "a number".into(),
            Self::Whole(low, _) if *low < 0 => "a whole number".into(),
            Self::Whole(..) => "a whole number, 0 or more".into(),
            Self::Switch => "true or false".into(),
            Self::Text => "text".into(),
            Self::OneOf(words) => one_of(words),
            Self::List(of) => match &**of {
                Self::OneOf(words) => format!("a list such as [{}] of {}", words[0], one_of(words)),
                of => format!("a list, each {}", of.in_words()),
            },
            Self::Tuple(of, n) => match (&**of, n) {
                (Self::Number, 2) => "two numbers such as [0.1, 0.9]".into(),
                (of, n) => format!("a list of {n}, each {}", of.in_words()),
            },
            Self::Map(_) => "names with their values, such as {name: value}".into(),
            Self::Section(of) => {
                let names: Vec<&str> = of.iter().map(|(name, _)| *name).collect();
                format!("a section with {}", names.join(", "))
            }
            Self::OrNull(of) => format!("{}, or null", of.in_words()),
            Self::Any => "a value".into(),
        }
    }

    /// The first place below `path` where `value` is not what is needed: its path, the value, and
    /// the kind that it needs.
    pub fn mismatch<'a>(
        &'a self,
        value: &'a Value,
        path: &str,
    ) -> Option<(String, &'a Value, &'a Self)> {
        let here = || Some((path.to_owned(), value, self));
        let below =
            |name: &str| if path.is_empty() { name.into() } else { format!("{path}.{name}") };
        match (self, value) {
            (Self::OrNull(_), Value::Null) | (Self::Any, _) => None,
            (Self::OrNull(of), value) => {
                // The message says that null is allowed too, if the value itself is the problem.
                of.mismatch(value, path)
                    .map(|found| if found.0 == path { (found.0, found.1, self) } else { found })
            }
            (Self::Number, Value::Number(_))
            | (Self::Switch, Value::Bool(_))
            | (Self::Text, Value::String(_)) => None,
            (Self::Whole(low, high), Value::Number(number)) => {
                let fits = match (number.as_u64(), number.as_i64()) {
                    (Some(n), _) => n <= *high,
                    (None, Some(n)) => n >= *low,
                    _ => false,
                };
                if fits { None } else { here() }
            }
            (Self::OneOf(words), Value::String(word)) if words.contains(&word.as_str()) => None,
            (Self::List(of), Value::Array(items)) => {
                items.iter().find_map(|item| of.mismatch(item, path))
            }
            (Self::Tuple(of, n), Value::Array(items)) if items.len() == *n => {
                items.iter().find_map(|item| of.mismatch(item, path)).and_then(|_| here())
            }
            (Self::Map(of), Value::Object(items)) => {
                items.iter().find_map(|(name, item)| of.mismatch(item, &below(name)))
            }
            (Self::Section(of), Value::Object(items)) => of.iter().find_map(|(name, kind)| {
                items.get(*name).and_then(|item| kind.mismatch(item, &below(name)))
            }),
            _ => here(),
        }
    }

    /// The kind at a dotted path; a map has any name.
    pub fn at(&self, path: &str) -> Option<&Self> {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let below = match self {
            Self::OrNull(of) => return of.at(path),
            Self::Section(of) => of.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind),
            Self::Map(of) => Some(&**of),
            _ => None,
        }?;
        if rest.is_empty() { Some(below) } else { below.at(rest) }
    }

    /// The words to choose from, also within a list and beside null.
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Self::OneOf(words) => words,
            Self::List(of) | Self::OrNull(of) => of.words(),
            _ => &[],
        }
    }

    /// As JSON schema. `describe` adds what is known about the setting at a path.
    pub fn schema(&self, path: &str, describe: &dyn Fn(&str, &mut Value)) -> Value {
        let below =
            |name: &str| if path.is_empty() { name.into() } else { format!("{path}.{name}") };
        let item = |of: &Self| of.schema(path, &|_, _| {});
        let mut schema = match self {
            Self::Number => json!({"type": "number"}),
            Self::Whole(low, high) if *high >= i64::MAX as u64 => {
                if *low < 0 {
                    json!({"type": "integer"})
                } else {
                    json!({"type": "integer", "minimum": 0})
                }
            }
            Self::Whole(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
            Self::Switch => json!({"type": "boolean"}),
            Self::Text => json!({"type": "string"}),
            Self::OneOf(words) => json!({"enum": words}),
            Self::List(of) => json!({"type": "array", "items": item(of)}),
            Self::Tuple(of, n) => {
                json!({"type": "array", "items": item(of), "minItems": n, "maxItems": n})
            }
            Self::Map(of) => json!({"type": "object", "additionalProperties": item(of)}),
            Self::Section(of) => {
                let properties: serde_json::Map<_, _> = of
                    .iter()
                    .map(|(name, kind)| ((*name).to_owned(), kind.schema(&below(name), describe)))
                    .collect();
                json!({"type": "object", "properties": properties, "additionalProperties": false})
            }
            Self::OrNull(of) => json!({"anyOf": [of.schema(path, describe), {"type": "null"}]}),
            Self::Any => json!({}),
        };
        if !matches!(self, Self::OrNull(_)) || schema.get("description").is_none() {
            describe(path, &mut schema);
        }
        schema
    }
}

/// `a`, `a or b`, `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => "a word".into(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_types_of_the_settings_say_what_they_may_be() {
        let kind = Kind::of::<Config>();
        let words = |path: &str| kind.at(path).map(Kind::in_words);
        assert_eq!(words("roi.margin").as_deref(), Some("a number"));
        assert_eq!(words("roi.margin_mm").as_deref(), Some("a number, or null"));
        assert_eq!(words("decode.precision").as_deref(), Some("exact, display or fast"));
        assert_eq!(words("window.percentiles").as_deref(), Some("two numbers such as [0.1, 0.9]"));
        assert_eq!(words("dataset.allow_missing").as_deref(), Some("true or false"));
        assert_eq!(words("train.augment.crop.smallest").as_deref(), Some("a number"));
        assert_eq!(words("spacing.by_machine.49.row").as_deref(), Some("a number"));
        assert_eq!(words("train.batch").as_deref(), Some("a whole number, 0 or more"));
        assert_eq!(words("shard.level").as_deref(), Some("a whole number"));
        assert_eq!(words("roi.margn"), None);
        assert!(kind.at("train.auxiliary.targets").unwrap().words().contains(&"density"));
        assert!(kind.at("train.model.variant").unwrap().words().contains(&"efficientnet_b4"));
    }

    #[test]
    fn the_defaults_are_what_the_types_need() {
        let defaults = serde_json::to_value(Config::default()).unwrap();
        assert_eq!(Kind::of::<Config>().mismatch(&defaults, ""), None);
    }

    #[test]
    fn no_setting_is_of_an_unknown_kind() {
        fn any(kind: &Kind, path: String, found: &mut Vec<String>) {
            match kind {
                Kind::Any => found.push(path),
                Kind::List(of) | Kind::Tuple(of, _) | Kind::Map(of) | Kind::OrNull(of) => {
                    any(of, path, found);
                }
                Kind::Section(of) => {
                    of.iter().for_each(|(name, kind)| any(kind, format!("{path}.{name}"), found));
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        any(&Kind::of::<Config>(), String::new(), &mut found);
        // What a cell of a table means may be a number, a text, true or false, or null.
        assert_eq!(found, [".dataset.values"]);
    }
}
