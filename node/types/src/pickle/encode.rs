//! The encoder: byte for byte what CPython 3 writes with `pickle.dumps(x, 2)`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Array, Dict, DictClass, Value};

/// Items that CPython puts between one MARK and its APPENDS or SETITEMS.
const BATCH_LEN: usize = 1000;

/// Writes a value as protocol 2.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder { out: vec![0x80, 2], memo: HashMap::new(), memo_len: 0 };
    encoder.value(value);
    encoder.out.push(b'.');
    encoder.out
}

/// What can be met a second time, and is then fetched from the memo.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    /// An object of ours, by where it lies.
    Address(usize),
    /// Strings of at most one character below 256 exist once in CPython.
    SmallStr(Option<u8>),
    /// So do bytes of at most one byte.
    SmallBytes(Option<u8>),
    /// The name of the codec, interned.
    Latin1Name,
    /// A constructor, as `module\nname\n`.
    Global(&'static str),
}

const CODECS_ENCODE: &str = "_codecs\nencode\n";
const BYTES: &str = "__builtin__\nbytes\n";
const ARRAY: &str = "array\narray\n";
const HEADER_KEY_DICT: &str = "swift.common.header_key_dict\nHeaderKeyDict\n";

struct Encoder {
    out: Vec<u8>,
    memo: HashMap<Identity, u32>,
    /// Slots given out so far, those of temporary objects included.
    memo_len: u32,
}

impl Encoder {
    fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(flag) => self.out.push(if *flag { 0x88 } else { 0x89 }),
            Value::Int(int) => self.int(*int),
            Value::Float(float) => {
                self.out.push(b'G');
                self.out.extend(float.to_be_bytes());
            }
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Str(text) => self.str(text.as_bytes(), text.address()),
            Value::List(items) => self.list(items),
            Value::Tuple(items) => self.tuple(items),
            Value::Dict(dict) => self.dict(dict),
            Value::Array(array) => self.array(array),
        }
    }

    fn int(&mut self, int: i64) {
        if let Ok(byte) = u8::try_from(int) {
            self.out.extend([b'K', byte]);
        } else if let Ok(short) = u16::try_from(int) {
            self.out.push(b'M');
            self.out.extend(short.to_le_bytes());
        } else if let Ok(word) = i32::try_from(int) {
            self.out.push(b'J');
            self.out.extend(word.to_le_bytes());
        } else {
            let bytes = int.to_le_bytes();
            let len = minimal_len(&bytes);
            self.out.extend([0x8a, len as u8]);
            self.out.extend(&bytes[..len]);
        }
    }

    fn str(&mut self, utf8: &[u8], address: usize) {
        let identity = match small_char(utf8) {
            Some(small) => Identity::SmallStr(small),
            None => Identity::Address(address),
        };
        if !self.recall(&identity) {
            self.unicode(utf8);
            self.memoize(identity);
        }
    }

    /// Protocol 2 has no bytes: Python writes a call of `_codecs.encode(text, 'latin1')`, or of `bytes()`.
    fn bytes(&mut self, bytes: &Arc<[u8]>) {
        let identity = match **bytes {
            [] => Identity::SmallBytes(None),
            [byte] => Identity::SmallBytes(Some(byte)),
            _ => Identity::Address(bytes.as_ptr() as usize),
        };
        if self.recall(&identity) {
            return;
        }
        if bytes.is_empty() {
            self.global(BYTES);
            self.out.push(b')');
        } else {
            self.global(CODECS_ENCODE);
            let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
            match small_char(text.as_bytes()) {
                Some(_) => self.str(text.as_bytes(), 0),
                None => {
                    self.unicode(text.as_bytes());
                    self.put_next();
                }
            }
            if !self.recall(&Identity::Latin1Name) {
                self.unicode(b"latin1");
                self.memoize(Identity::Latin1Name);
            }
            self.out.push(0x86);
            self.put_next();
        }
        self.out.push(b'R');
        self.memoize(identity);
    }

    fn unicode(&mut self, utf8: &[u8]) {
        self.out.push(b'X');
        self.out.extend((utf8.len() as u32).to_le_bytes());
        self.out.extend(utf8);
    }

    fn list(&mut self, items: &Arc<[Value]>) {
        let identity = Identity::Address(items.as_ptr() as usize);
        if !self.recall(&identity) {
            self.out.push(b']');
            self.memoize(identity);
            self.append_all(items.iter(), Self::value);
        }
    }

    fn append_all<T>(
        &mut self,
        mut items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        if items.len() == 1 {
            items.by_ref().for_each(|item| write(self, item));
            self.out.push(b'a');
        }
        while items.len() > 0 {
            self.out.push(b'(');
            items.by_ref().take(BATCH_LEN).for_each(|item| write(self, item));
            self.out.push(b'e');
        }
    }

    fn tuple(&mut self, items: &Arc<[Value]>) {
        if items.is_empty() {
            return self.out.push(b')');
        }
        let identity = Identity::Address(items.as_ptr() as usize);
        if self.recall(&identity) {
            return;
        }
        if items.len() > 3 {
            self.out.push(b'(');
        }
        items.iter().for_each(|item| self.value(item));
        self.out.push([0x85, 0x86, 0x87].get(items.len() - 1).copied().unwrap_or(b't'));
        self.memoize(identity);
    }

    fn dict(&mut self, dict: &Arc<Dict>) {
        let identity = Identity::Address(Arc::as_ptr(dict) as usize);
        if self.recall(&identity) {
            return;
        }
        match dict.class {
            DictClass::Plain => self.out.push(b'}'),
            DictClass::HeaderKeyDict => {
                self.global(HEADER_KEY_DICT);
                self.out.extend([b')', 0x81]);
            }
        }
        self.memoize(identity);
        if let [(key, value)] = &dict.entries[..] {
            self.value(key);
            self.value(value);
            return self.out.push(b's');
        }
        self.set_all(dict);
    }

    /// CPython ends a plain dict on a batch that is not full, so a multiple of a thousand has an empty one at its
    /// end; for a subclass it looks ahead and writes none.
    fn set_all(&mut self, dict: &Dict) {
        for batch in dict.entries.chunks(BATCH_LEN) {
            if let ([(key, value)], DictClass::HeaderKeyDict) = (batch, dict.class) {
                self.value(key);
                self.value(value);
                self.out.push(b's');
                continue;
            }
            self.out.push(b'(');
            for (key, value) in batch {
                self.value(key);
                self.value(value);
            }
            self.out.push(b'u');
        }
        let ends_full = !dict.entries.is_empty() && dict.entries.len().is_multiple_of(BATCH_LEN);
        if ends_full && dict.class == DictClass::Plain {
            self.out.extend(b"(u");
        }
    }

    /// Below protocol 3 an array is `array.array(typecode, [items])`.
    fn array(&mut self, array: &Arc<Array>) {
        let identity = Identity::Address(Arc::as_ptr(array) as usize);
        if self.recall(&identity) {
            return;
        }
        self.global(ARRAY);
        let typecode = match **array {
            Array::U8(_) => b"B",
            Array::U16(_) => b"H",
            Array::U32(_) => b"I",
        };
        self.str(typecode, 0);
        self.out.push(b']');
        self.put_next();
        match &**array {
            Array::U8(items) => self.append_all(items.iter(), |e, item| e.int(i64::from(*item))),
            Array::U16(items) => self.append_all(items.iter(), |e, item| e.int(i64::from(*item))),
            Array::U32(items) => self.append_all(items.iter(), |e, item| e.int(i64::from(*item))),
        }
        self.out.push(0x86);
        self.put_next();
        self.out.push(b'R');
        self.memoize(identity);
    }

    fn global(&mut self, name: &'static str) {
        if !self.recall(&Identity::Global(name)) {
            self.out.push(b'c');
            self.out.extend(name.as_bytes());
            self.memoize(Identity::Global(name));
        }
    }

    /// Writes a GET when the object was written before.
    fn recall(&mut self, identity: &Identity) -> bool {
        let Some(&slot) = self.memo.get(identity) else { return false };
        self.slot(b'h', b'j', slot);
        true
    }

    fn memoize(&mut self, identity: Identity) {
        self.memo.insert(identity, self.memo_len);
        self.put_next();
    }

    /// A PUT for an object that cannot be met again.
    fn put_next(&mut self) {
        self.slot(b'q', b'r', self.memo_len);
        self.memo_len += 1;
    }

    fn slot(&mut self, short: u8, long: u8, slot: u32) {
        match u8::try_from(slot) {
            Ok(slot) => self.out.extend([short, slot]),
            Err(_) => {
                self.out.push(long);
                self.out.extend(slot.to_le_bytes());
            }
        }
    }
}

/// `Some` when CPython keeps a single object for this text: `None` within for the empty one.
fn small_char(utf8: &[u8]) -> Option<Option<u8>> {
    match *utf8 {
        [] => Some(None),
        [ascii] => Some(Some(ascii)),
        [lead @ 0xc2..=0xc3, tail] => Some(Some((lead << 6) | (tail & 0x3f))),
        _ => None,
    }
}

/// Bytes a little-endian two's complement needs, as CPython's LONG1 counts them.
fn minimal_len(bytes: &[u8; 8]) -> usize {
    let negative = bytes[7] & 0x80 != 0;
    let filler = if negative { 0xff } else { 0 };
    let mut len = 8;
    while len > 1 && bytes[len - 1] == filler && (bytes[len - 2] & 0x80 != 0) == negative {
        len -= 1;
    }
    len
}
