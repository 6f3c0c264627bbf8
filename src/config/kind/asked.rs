//! A deserializer that gives nothing of worth and writes down what it is asked for.

use serde::de::value::{BorrowedStrDeserializer, Error};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Kind;

/// Writes into the [`Kind`] what a type asks for.
pub(super) struct Asked<'a>(pub &'a mut Kind);

type Answer<T> = Result<T, Error>;

macro_rules! plain {
    ($($method:ident => $visit:ident($($value:expr)?), $kind:expr;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Answer<V::Value> {
            *self.0 = $kind;
            visitor.$visit($($value)?)
        })+
    };
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    plain! {
        deserialize_bool => visit_bool(false), Kind::Switch;
        deserialize_i8 => visit_i8(0), Kind::Whole(i8::MIN.into(), i8::MAX as u64);
        deserialize_i16 => visit_i16(0), Kind::Whole(i16::MIN.into(), i16::MAX as u64);
        deserialize_i32 => visit_i32(0), Kind::Whole(i32::MIN.into(), i32::MAX as u64);
        deserialize_i64 => visit_i64(0), Kind::Whole(i64::MIN, i64::MAX as u64);
        deserialize_u8 => visit_u8(0), Kind::Whole(0, u8::MAX.into());
        deserialize_u16 => visit_u16(0), Kind::Whole(0, u16::MAX.into());
        deserialize_u32 => visit_u32(0), Kind::Whole(0, u32::MAX.into());
        deserialize_u64 => visit_u64(0), Kind::Whole(0, u64::MAX);
        deserialize_f32 => visit_f32(0.0), Kind::Number;
        deserialize_f64 => visit_f64(0.0), Kind::Number;
        deserialize_char => visit_char('a'), Kind::Text;
        deserialize_str => visit_str(""), Kind::Text;
        deserialize_string => visit_str(""), Kind::Text;
        deserialize_identifier => visit_str(""), Kind::Text;
        deserialize_any => visit_unit(), Kind::Any;
        deserialize_ignored_any => visit_unit(), Kind::Any;
        deserialize_unit => visit_unit(), Kind::Any;
        deserialize_bytes => visit_bytes(&[]), Kind::Any;
        deserialize_byte_buf => visit_bytes(&[]), Kind::Any;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Answer<V::Value> {
        let mut inner = Kind::Any;
        let value = visitor.visit_some(Asked(&mut inner));
        *self.0 = Kind::OrNull(Box::new(inner));
        value
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Answer<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Answer<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Answer<V::Value> {
        let mut inner = Kind::Any;
        let value = visitor.visit_seq(Items { left: 1, kind: &mut inner });
        *self.0 = Kind::List(Box::new(inner));
        value
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Answer<V::Value> {
        let mut inner = Kind::Any;
        let value = visitor.visit_seq(Items { left: len, kind: &mut inner });
        *self.0 = Kind::Tuple(Box::new(inner), len);
        value
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Answer<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Answer<V::Value> {
        let mut inner = Kind::Any;
        let value = visitor.visit_map(Entries { names: &["1"], next: 0, value: &mut inner });
        *self.0 = Kind::Map(Box::new(inner));
        value
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Answer<V::Value> {
        let mut kinds = Vec::new();
        let value = visitor.visit_map(Fields { fields, kinds: &mut kinds });
        *self.0 = Kind::Section(kinds);
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Answer<V::Value> {
        *self.0 = Kind::OneOf(variants);
        let first = variants.first().copied().unwrap_or_default();
        visitor.visit_enum(BorrowedStrDeserializer::<Error>::new(first))
    }
}

struct Items<'a> {
    left: usize,
    kind: &'a mut Kind,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Answer<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Asked(self.kind)).map(Some)
    }
}

struct Entries<'a> {
    names: &'static [&'static str],
    next: usize,
    value: &'a mut Kind,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Answer<Option<K::Value>> {
        let Some(name) = self.names.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Answer<V::Value> {
        seed.deserialize(Asked(self.value))
    }
}

struct Fields<'a> {
    fields: &'static [&'static str],
    kinds: &'a mut Vec<(&'static str, Kind)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Answer<Option<K::Value>> {
        let Some(name) = self.fields.get(self.kinds.len()) else { return Ok(None) };
        self.kinds.push((name, Kind::Any));
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Answer<V::Value> {
        match self.kinds.last_mut() {
            Some((_, kind)) => seed.deserialize(Asked(kind)),
            None => seed.deserialize(Asked(&mut Kind::Any)),
        }
    }
}
