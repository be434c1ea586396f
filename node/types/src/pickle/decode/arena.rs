//! Objects under construction, by index, and their freezing into [`Value`]s.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use super::{DecodeError, Global};
use crate::pickle::{Dict, DictClass, Value, encode};

/// What lies on the stack and in the memo.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Complete in itself.
    Atom(Value),
    /// An object of the arena.
    Object(usize),
    /// A constructor not yet applied.
    Global(Global),
}

/// A container being filled.
#[derive(Debug)]
pub(super) enum Object {
    /// A list of small integers only, as arrays are written: four bytes an item instead of dozens.
    Ints(Vec<u32>),
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Dict(DictClass, Vec<(Item, Item)>),
}

/// How much longer than itself a pickle may become by what it says once and means often. Swift's own, where every
/// device of a builder has the same keys, become a few times as long.
const MAX_GROWTH: usize = 32;

#[derive(Debug)]
pub(super) struct Arena {
    objects: Vec<Object>,
    /// What copies may still come to.
    copies_left: Cell<usize>,
}

impl Arena {
    /// For a pickle of so many bytes.
    pub(super) fn new(pickle_len: usize) -> Arena {
        Arena { objects: Vec::new(), copies_left: Cell::new(pickle_len.saturating_mul(MAX_GROWTH)) }
    }

    /// Counts a copy of so many items or bytes of what the pickle holds once.
    pub(super) fn count_copy(&self, len: usize) -> Result<(), DecodeError> {
        let left = self.copies_left.get().checked_sub(len);
        self.copies_left.set(left.ok_or(DecodeError::TooLarge("copies 32 times its length"))?);
        Ok(())
    }

    pub(super) fn add(&mut self, object: Object) -> Item {
        self.objects.push(object);
        Item::Object(self.objects.len() - 1)
    }

    pub(super) fn get(&self, item: &Item) -> Option<&Object> {
        match item {
            Item::Object(index) => self.objects.get(*index),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, item: &Item) -> Option<&mut Object> {
        match item {
            Item::Object(index) => self.objects.get_mut(*index),
            _ => None,
        }
    }

    /// Makes the value of an item, each object once, so that what was shared stays shared.
    pub(super) fn freeze(
        &self,
        item: Item,
        depth_left: usize,
        frozen: &mut HashMap<usize, (Value, usize)>,
    ) -> Result<Value, DecodeError> {
        self.freeze_measured(&item, depth_left, frozen).map(|(value, _)| value)
    }

    /// The value and its height. Both the way down and the height are bounded: a shared object can be reached
    /// from deeper than where it was frozen. A cycle runs out of depth.
    fn freeze_measured(
        &self,
        item: &Item,
        depth_left: usize,
        frozen: &mut HashMap<usize, (Value, usize)>,
    ) -> Result<(Value, usize), DecodeError> {
        let index = match item {
            Item::Atom(value) => return Ok((value.clone(), 0)),
            Item::Global(_) => return Err(DecodeError::Inconsistent { what: "bare global", at: 0 }),
            Item::Object(index) => *index,
        };
        if let Some((value, height)) = frozen.get(&index) {
            return if *height <= depth_left { Ok((value.clone(), *height)) } else { Err(TOO_DEEP) };
        }
        let below = depth_left.checked_sub(1).ok_or(TOO_DEEP)?;
        let mut height = 0;
        let mut child = |item: &Item| {
            let (value, child_height) = self.freeze_measured(item, below, frozen)?;
            height = height.max(child_height);
            Ok::<Value, DecodeError>(value)
        };
        let value = match &self.objects[index] {
            Object::Ints(ints) => Value::list(ints.iter().map(|&int| Value::Int(i64::from(int)))),
            Object::List(items) => Value::List(items.iter().map(child).collect::<Result<_, _>>()?),
            Object::Tuple(items) => Value::Tuple(items.iter().map(child).collect::<Result<_, _>>()?),
            Object::Dict(class, entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((child(key)?, child(value)?)));
                Value::Dict(Arc::new(Dict { class: *class, entries: self.last_of_each_key(entries)? }))
            }
        };
        frozen.insert(index, (value.clone(), height + 1));
        Ok((value, height + 1))
    }

    /// A key set twice keeps its first place and its last value, as in Python.
    fn last_of_each_key(
        &self,
        entries: impl ExactSizeIterator<Item = Result<(Value, Value), DecodeError>>,
    ) -> Result<Vec<(Value, Value)>, DecodeError> {
        let mut place_of = HashMap::with_capacity(entries.len());
        let mut unique: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let (key, value) = entry?;
            if matches!(key, Value::List(_) | Value::Dict(_) | Value::Array(_)) {
                return Err(DecodeError::Inconsistent { what: "unhashable dict key", at: 0 });
            }
            let identity = encode(&key);
            self.count_copy(identity.len())?;
            let place = *place_of.entry(identity).or_insert(unique.len());
            match unique.get_mut(place) {
                Some(earlier) => earlier.1 = value,
                None => unique.push((key, value)),
            }
        }
        Ok(unique)
    }
}

const TOO_DEEP: DecodeError = DecodeError::TooLarge("nested deeper than 64");
