//! The values a pickle of Swift's can hold.

use std::sync::Arc;

use super::Text;

/// One Python object. A clone is cheap and is the same object to the encoder.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// `int`; Swift stores none beyond 64 bits (SQLite's own width).
    Int(i64),
    /// `float`.
    Float(f64),
    /// `bytes`.
    Bytes(Arc<[u8]>),
    /// `str`.
    Str(Text),
    /// `list`.
    List(Arc<[Value]>),
    /// `tuple`.
    Tuple(Arc<[Value]>),
    /// `dict`, or one of the dict classes Swift pickles.
    Dict(Arc<Dict>),
    /// `array.array` of unsigned integers.
    Array(Arc<Array>),
}

/// Entries of a Python dict, in insertion order, each key once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dict {
    /// Which class Python makes of it.
    pub class: DictClass,
    /// Keys and values in order.
    pub entries: Vec<(Value, Value)>,
}

/// The class of a pickled dict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DictClass {
    /// `dict` itself.
    #[default]
    Plain,
    /// `swift.common.header_key_dict.HeaderKeyDict`: the headers of an async pending.
    HeaderKeyDict,
}

/// `array.array` by its type code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Array {
    /// `'B'`, one byte an item.
    U8(Vec<u8>),
    /// `'H'`, two bytes an item.
    U16(Vec<u16>),
    /// `'I'`, four bytes an item.
    U32(Vec<u32>),
}

impl Value {
    /// The bytes of a `bytes` or of a `str` (as UTF-8): Python 2 did not tell them apart.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Str(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The text of a `str`, or of a `bytes` that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// An `int`, or a `bool` as Python counts it.
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Value::Int(int) => Some(int),
            Value::Bool(flag) => Some(i64::from(flag)),
            _ => None,
        }
    }

    /// A `float` or an `int` as a float.
    pub fn as_float(&self) -> Option<f64> {
        match *self {
            Value::Float(float) => Some(float),
            _ => self.as_int().map(|int| int as f64),
        }
    }

    /// The items of a `list` or a `tuple`.
    pub fn as_items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The dict of a dict of any class.
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Value::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// A `bytes` object.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Value {
        Value::Bytes(bytes.into())
    }

    /// A `list`.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    /// A `tuple`.
    pub fn tuple(items: impl IntoIterator<Item = Value>) -> Value {
        Value::Tuple(items.into_iter().collect())
    }
}

impl Dict {
    /// The value under a text key, whether it was written as `str` or as `bytes`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(k, _)| k.as_bytes() == Some(key.as_bytes())).map(|(_, value)| value)
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    /// The caller sees to it that no key comes twice.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Dict {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Dict { class: DictClass::Plain, entries }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(Text::from(text))
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Value {
        Value::Str(text)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int)
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Value {
        Value::Float(float)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}

impl From<Dict> for Value {
    fn from(dict: Dict) -> Value {
        Value::Dict(Arc::new(dict))
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Value {
        Value::Array(Arc::new(array))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::None, Into::into)
    }
}
