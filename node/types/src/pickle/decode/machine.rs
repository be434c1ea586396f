//! The pickle machine: a stack, a memo, and the opcodes of protocols 0 to 2.

use std::collections::HashMap;

use memchr::memchr;

use super::arena::{Arena, Item, Object};
use super::{DecodeError, Global, MAX_MEMO_LEN, Py2Strings, ascii};
use crate::pickle::{Array, DictClass, Text, Value};

pub(super) struct Machine<'a> {
    pickle: &'a [u8],
    /// Offset of the next byte to read.
    next: usize,
    /// Offset of the opcode at work, for errors.
    at: usize,
    py2_strings: Py2Strings,
    stack: Vec<Item>,
    /// Heights of the stack at each open MARK.
    marks: Vec<usize>,
    memo: HashMap<u64, Item>,
    pub(super) arena: Arena,
}

type Step<T = ()> = Result<T, DecodeError>;

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8], py2_strings: Py2Strings) -> Machine<'a> {
        Machine {
            pickle,
            next: 0,
            at: 0,
            py2_strings,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            arena: Arena::new(pickle.len()),
        }
    }

    /// Runs to STOP and gives what lies on top then.
    pub(super) fn run(&mut self) -> Step<Item> {
        loop {
            self.at = self.next;
            let [opcode] = self.take_array()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.drop_top()?,
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?.clone();
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'F' | b'G' | b'I' | b'J' | b'K' | b'L' | b'M' | 0x8a | 0x8b => self.number(opcode)?,
            b'S' | b'T' | b'U' | b'V' | b'X' => self.string(opcode)?,
            b'a' | b'e' | b'l' | b']' => self.list(opcode)?,
            b'd' | b's' | b'u' | b'}' => self.dict(opcode)?,
            b't' | b')' | 0x85..=0x87 => self.tuple(opcode)?,
            b'g' | b'h' | b'j' | b'p' | b'q' | b'r' => self.memo(opcode)?,
            b'c' => self.global()?,
            b'R' => self.reduce()?,
            0x81 => self.new_object()?,
            b'b' => self.build()?,
            0x80 => match self.take_array()? {
                [0..=2] => {}
                [protocol] => return Err(DecodeError::Protocol(protocol)),
            },
            _ => return Err(DecodeError::Opcode { opcode, at: self.at }),
        }
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Step {
        let value = match opcode {
            b'F' => Value::Float(self.parse_line("float")?),
            b'G' => Value::Float(f64::from_be_bytes(self.take_array()?)),
            b'I' => match self.line()? {
                b"01" => Value::Bool(true),
                b"00" => Value::Bool(false),
                digits => Value::Int(parse_ascii(digits).ok_or_else(|| self.malformed("integer"))?),
            },
            b'L' => {
                let line = self.line()?;
                let digits = line.strip_suffix(b"L").unwrap_or(line);
                Value::Int(parse_ascii(digits).ok_or_else(|| self.malformed("integer"))?)
            }
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.take_array()?))),
            b'K' => Value::Int(i64::from(u8::from_le_bytes(self.take_array()?))),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.take_array()?))),
            _ => {
                let len = if opcode == 0x8a { self.len_u8()? } else { self.len_u32()? };
                let bytes = self.take(len)?;
                Value::Int(int_of(bytes).ok_or(DecodeError::TooLarge("integer beyond 64 bits"))?)
            }
        };
        self.push(value);
        Ok(())
    }

    fn string(&mut self, opcode: u8) -> Step {
        let value = match opcode {
            b'X' => {
                let len = self.len_u32()?;
                Text::from_wtf8(self.take(len)?).map(Value::Str)
            }
            b'V' => {
                let line = self.line()?;
                ascii::raw_unicode_unescape(line).and_then(|utf8| Text::from_wtf8(&utf8)).map(Value::Str)
            }
            b'S' => {
                let repr = self.line()?.trim_ascii_end();
                ascii::unquote(repr).and_then(|bytes| self.py2_string(&bytes))
            }
            _ => {
                let len = if opcode == b'U' { self.len_u8()? } else { self.len_u32()? };
                let bytes = self.take(len)?;
                self.py2_string(bytes)
            }
        };
        let value = value.ok_or_else(|| self.malformed("string"))?;
        self.push(value);
        Ok(())
    }

    fn py2_string(&self, bytes: &[u8]) -> Option<Value> {
        match self.py2_strings {
            Py2Strings::AsBytes => Some(Value::bytes(bytes)),
            Py2Strings::AsText => std::str::from_utf8(bytes).ok().map(Value::from),
        }
    }

    fn list(&mut self, opcode: u8) -> Step {
        match opcode {
            b']' | b'l' => {
                let items = if opcode == b'l' { self.pop_mark()? } else { Vec::new() };
                let list = self.arena.add(Object::Ints(Vec::new()));
                self.stack.push(list);
                self.extend_list(items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            _ => {
                let items = self.pop_mark()?;
                self.extend_list(items)?;
            }
        }
        Ok(())
    }

    fn extend_list(&mut self, items: Vec<Item>) -> Step {
        let no_list = self.inconsistent("append to what is no list");
        let list = self.stack.last().and_then(|item| self.arena.get_mut(item)).ok_or(no_list)?;
        match list {
            Object::Ints(ints) if items.iter().all(|item| small_int(item).is_some()) => {
                ints.extend(items.iter().filter_map(small_int));
            }
            Object::Ints(ints) => {
                let mut all: Vec<Item> =
                    ints.iter().map(|&int| Item::Atom(Value::Int(i64::from(int)))).collect();
                all.extend(items);
                *list = Object::List(all);
            }
            Object::List(list) => list.extend(items),
            _ => return Err(self.inconsistent("append to what is no list")),
        }
        Ok(())
    }

    fn dict(&mut self, opcode: u8) -> Step {
        if opcode == b'}' {
            let dict = self.arena.add(Object::Dict(DictClass::Plain, Vec::new()));
            self.stack.push(dict);
            return Ok(());
        }
        let items = match opcode {
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        if items.len() % 2 != 0 {
            return Err(self.inconsistent("dict key without a value"));
        }
        if opcode == b'd' {
            let dict = self.arena.add(Object::Dict(DictClass::Plain, Vec::new()));
            self.stack.push(dict);
        }
        let no_dict = self.inconsistent("item set on what is no dict");
        match self.stack.last().and_then(|item| self.arena.get_mut(item)) {
            Some(Object::Dict(_, entries)) => {
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
                Ok(())
            }
            _ => Err(no_dict),
        }
    }

    fn tuple(&mut self, opcode: u8) -> Step {
        let items = match opcode {
            b')' => Vec::new(),
            b't' => self.pop_mark()?,
            _ => {
                let len = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(len).filter(|&start| start >= self.floor());
                let start = start.ok_or_else(|| self.inconsistent("stack underflow"))?;
                self.stack.split_off(start)
            }
        };
        let tuple = self.arena.add(Object::Tuple(items));
        self.stack.push(tuple);
        Ok(())
    }

    fn memo(&mut self, opcode: u8) -> Step {
        let slot = match opcode {
            b'g' | b'p' => self.parse_line("memo slot")?,
            b'h' | b'q' => self.len_u8()? as u64,
            _ => self.len_u32()? as u64,
        };
        if matches!(opcode, b'p' | b'q' | b'r') {
            let top = self.top()?.clone();
            self.memo.insert(slot, top);
            if self.memo.len() > MAX_MEMO_LEN {
                return Err(DecodeError::TooLarge("memo of more than 16 million slots"));
            }
        } else {
            let unknown = self.inconsistent("unknown memo slot");
            let item = self.memo.get(&slot).ok_or(unknown)?.clone();
            self.stack.push(item);
        }
        Ok(())
    }

    fn global(&mut self) -> Step {
        let module = self.line()?;
        let name = self.line()?;
        let global = Global::named(module, name).ok_or_else(|| {
            let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
            DecodeError::ForbiddenGlobal(format!("{}.{}", shown(module), shown(name)))
        })?;
        self.stack.push(Item::Global(global));
        Ok(())
    }

    /// What a call of a known constructor would give.
    fn reduce(&mut self) -> Step {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        let bad_call = self.inconsistent("call with other arguments than Swift's");
        let Some(Object::Tuple(arguments)) = self.arena.get(&arguments) else { return Err(bad_call) };
        let result = match (callee, &arguments[..]) {
            (Item::Global(Global::Bytes), []) => Some(Item::Atom(Value::bytes(&[][..]))),
            (Item::Global(Global::CodecsEncode), [Item::Atom(Value::Str(text)), Item::Atom(codec)])
                if matches!(codec.as_bytes(), Some(b"latin1" | b"latin-1")) =>
            {
                self.arena.count_copy(text.as_bytes().len())?;
                latin1(text).map(|bytes| Item::Atom(Value::bytes(bytes)))
            }
            (Item::Global(Global::Array), [Item::Atom(typecode), items]) => {
                self.array(typecode, items)?.map(|array| Item::Atom(Value::from(array)))
            }
            (
                Item::Global(Global::ArrayReconstructor),
                [_, Item::Atom(typecode), Item::Atom(Value::Int(_)), items],
            ) => self.array(typecode, items)?.map(|array| Item::Atom(Value::from(array))),
            (Item::Global(Global::Dict), []) => Some(self.arena.add(Object::Dict(DictClass::Plain, vec![]))),
            (
                Item::Global(Global::Reconstructor),
                [Item::Global(Global::HeaderKeyDict), Item::Global(Global::Dict), state],
            ) => match self.arena.get(state) {
                Some(Object::Dict(_, entries)) => {
                    self.arena.count_copy(entries.len())?;
                    let entries = entries.clone();
                    Some(self.arena.add(Object::Dict(DictClass::HeaderKeyDict, entries)))
                }
                _ => None,
            },
            _ => None,
        };
        self.stack.push(result.ok_or(bad_call)?);
        Ok(())
    }

    fn array(&self, typecode: &Value, items: &Item) -> Step<Option<Array>> {
        let array = match (items, self.arena.get(items)) {
            (_, Some(Object::Ints(ints))) => {
                self.arena.count_copy(ints.len())?;
                array_of_ints(typecode, ints)
            }
            (Item::Atom(machine_bytes), _) => {
                let bytes = machine_bytes.as_bytes().unwrap_or_default();
                self.arena.count_copy(bytes.len())?;
                array_of_bytes(typecode, bytes)
            }
            _ => None,
        };
        Ok(array)
    }

    /// `cls.__new__(cls)` of a dict class: how protocol 2 begins a HeaderKeyDict.
    fn new_object(&mut self) -> Step {
        let arguments = self.pop()?;
        let class = match self.pop()? {
            Item::Global(Global::HeaderKeyDict) => DictClass::HeaderKeyDict,
            Item::Global(Global::Dict) => DictClass::Plain,
            _ => return Err(self.inconsistent("new object of no known class")),
        };
        match self.arena.get(&arguments) {
            Some(Object::Tuple(arguments)) if arguments.is_empty() => {}
            _ => return Err(self.inconsistent("new object with arguments")),
        }
        let object = self.arena.add(Object::Dict(class, Vec::new()));
        self.stack.push(object);
        Ok(())
    }

    /// Attributes of an object: none of ours has any, so only an empty state is taken.
    fn build(&mut self) -> Step {
        let state = self.pop()?;
        match (self.arena.get(&state), &state) {
            (Some(Object::Dict(_, entries)), _) if entries.is_empty() => Ok(()),
            (None, Item::Atom(Value::None)) => Ok(()),
            _ => Err(self.inconsistent("object with attributes")),
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item::Atom(value));
    }

    /// The height below which only a MARK's own opcode may pop.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<Item> {
        let underflow = self.inconsistent("stack underflow");
        if self.stack.len() <= self.floor() {
            return Err(underflow);
        }
        self.stack.pop().ok_or(underflow)
    }

    /// POP also takes back a MARK that lies on top.
    fn drop_top(&mut self) -> Step {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn top(&self) -> Step<&Item> {
        self.stack.last().filter(|_| self.stack.len() > self.floor()).ok_or(self.inconsistent("empty stack"))
    }

    fn pop_mark(&mut self) -> Step<Vec<Item>> {
        let mark = self.marks.pop().ok_or(self.inconsistent("no MARK"))?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let end = self.next.saturating_add(len);
        let bytes = self.pickle.get(self.next..end).ok_or(DecodeError::Truncated(self.at))?;
        self.next = end;
        Ok(bytes)
    }

    fn take_array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| DecodeError::Truncated(self.at))
    }

    fn len_u8(&mut self) -> Step<usize> {
        self.take_array().map(|[len]| usize::from(len))
    }

    fn len_u32(&mut self) -> Step<usize> {
        self.take_array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = self.pickle.get(self.next..).unwrap_or_default();
        let end = memchr(b'\n', rest).ok_or(DecodeError::Truncated(self.at))?;
        self.next += end + 1;
        Ok(&rest[..end])
    }

    fn parse_line<T: std::str::FromStr>(&mut self, what: &'static str) -> Step<T> {
        let line = self.line()?;
        parse_ascii(line).ok_or_else(|| self.malformed(what))
    }

    fn malformed(&self, what: &'static str) -> DecodeError {
        DecodeError::Malformed { what, at: self.at }
    }

    fn inconsistent(&self, what: &'static str) -> DecodeError {
        DecodeError::Inconsistent { what, at: self.at }
    }
}

fn parse_ascii<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn small_int(item: &Item) -> Option<u32> {
    match item {
        Item::Atom(Value::Int(int)) => u32::try_from(*int).ok(),
        _ => None,
    }
}

/// A little-endian two's complement of any length, if it fits.
fn int_of(bytes: &[u8]) -> Option<i64> {
    let Some(&top) = bytes.last() else { return Some(0) };
    let filler = if top & 0x80 != 0 { 0xff } else { 0 };
    let (low, high) = bytes.split_at(bytes.len().min(8));
    let mut word = [filler; 8];
    word[..low.len()].copy_from_slice(low);
    let int = i64::from_le_bytes(word);
    (high.iter().all(|&byte| byte == filler) && (int < 0) == (filler == 0xff)).then_some(int)
}

/// `text.encode('latin1')`.
fn latin1(text: &Text) -> Option<Vec<u8>> {
    text.as_str()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

fn array_of_ints(typecode: &Value, ints: &[u32]) -> Option<Array> {
    Some(match typecode.as_bytes()? {
        b"B" => Array::U8(ints.iter().map(|&int| int.try_into().ok()).collect::<Option<_>>()?),
        b"H" => Array::U16(ints.iter().map(|&int| int.try_into().ok()).collect::<Option<_>>()?),
        b"I" | b"L" => Array::U32(ints.to_vec()),
        _ => return None,
    })
}

/// Before 2.7 Python wrote an array's items as the machine's own bytes, little-endian wherever Swift ran.
fn array_of_bytes(typecode: &Value, bytes: &[u8]) -> Option<Array> {
    Some(match typecode.as_bytes()? {
        b"B" => Array::U8(bytes.to_vec()),
        b"H" => {
            let (items, []) = bytes.as_chunks() else { return None };
            Array::U16(items.iter().map(|item| u16::from_le_bytes(*item)).collect())
        }
        b"I" => {
            let (items, []) = bytes.as_chunks() else { return None };
            Array::U32(items.iter().map(|item| u32::from_le_bytes(*item)).collect())
        }
        _ => return None,
    })
}
