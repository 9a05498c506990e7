//! State dicts out of Python's pickles, without Python: a reader that knows tensors and containers and nothing else.
//!
//! A pickle is a program whose `GLOBAL` and `REDUCE` call any function by name. Here six names mean something, each
//! of them data; any other is refused and named. Values live in one arena and refer to each other by index, so a
//! file that nests or shares without end costs no more than its length.

use std::collections::BTreeMap;
use std::ops::Range;

use super::file::{Entry, Fault, Number};
use super::zip::{number, slice};

/// Start of the format before 2020: a pickled magic number, four more pickles, then the storages.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Axes that a tensor may have; the largest here have four.
const MAX_AXES: usize = 8;

/// Keys under which trainers put the state dict of a network.
const WRAPPERS: [&str; 5] = ["state_dict", "model_state_dict", "model", "net", "teacher"];

type Id = usize;

#[derive(Clone, Debug)]
enum Value {
    Nothing,
    Int(i64),
    Text(String),
    /// Tuples and lists alike.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageType(Number),
    Storage(String),
    Tensor(RawTensor),
}

#[derive(Clone, Debug)]
struct RawTensor {
    storage: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Storage {
    number: Number,
    count: usize,
}

/// The named tensors of a pickle and the storages that they point into.
#[derive(Debug)]
pub(super) struct StateDict {
    tensors: Vec<(String, RawTensor)>,
    storages: BTreeMap<String, Storage>,
}

impl StateDict {
    /// Gives each tensor its place in the file, told by `find` for each storage's key.
    pub(super) fn resolve(self, find: impl Fn(&str) -> Option<Range<usize>>) -> Result<Vec<Entry>, Fault> {
        let Self { tensors, storages } = self;
        let place = |(name, tensor): (String, RawTensor)| {
            let RawTensor { storage, offset, shape, strides } = tensor;
            let (Some(range), Some(Storage { number, count })) = (find(&storage), storages.get(&storage)) else {
                return Fault::damaged(format!("{name}: its storage {storage} is missing"));
            };
            if count.checked_mul(number.bytes()).is_none_or(|needed| needed > range.len()) {
                return Fault::damaged(format!("{name}: its storage ends after {} bytes", range.len()));
            }
            if !fits(offset, &shape, &strides, *count) {
                return Fault::damaged(format!("{name}: {shape:?} lies outside its storage of {count} values"));
            }
            Ok(Entry { name, shape, strides, number: *number, start: range.start + offset * number.bytes() })
        };
        tensors.into_iter().map(place).collect()
    }
}

/// Whether every value lies in the storage, and no value is read more often than the storage is long.
fn fits(offset: usize, shape: &[usize], strides: &[usize], count: usize) -> bool {
    let size = shape.iter().try_fold(1_usize, |size, extent| size.checked_mul(*extent));
    let last = shape.iter().zip(strides).try_fold(offset, |last, (extent, stride)| {
        extent.saturating_sub(1).checked_mul(*stride).and_then(|reach| last.checked_add(reach))
    });
    match (size, last) {
        (Some(0), _) => offset <= count,
        (Some(size), Some(last)) => size <= count && last < count,
        _ => false,
    }
}

/// Reads the pickle of a zip archive.
pub(super) fn state_dict(bytes: &[u8]) -> Result<StateDict, Fault> {
    let mut machine = Machine::new(bytes);
    let root = machine.run()?;
    machine.state_dict(root)
}

pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(LEGACY)
}

/// Reads a file of the format before 2020.
pub(super) fn legacy_entries(bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let mut at = LEGACY.len();
    // The protocol's number and the writer's machine, neither of which matters here.
    for _ in 0..2 {
        let mut machine = Machine::new(&bytes[at..]);
        machine.run()?;
        at += machine.at;
    }
    let mut machine = Machine::new(&bytes[at..]);
    let root = machine.run()?;
    at += machine.at;
    let dict = machine.state_dict(root)?;
    let mut machine = Machine::new(&bytes[at..]);
    let keys = machine.run()?;
    at += machine.at;
    let mut ranges = BTreeMap::new();
    for key in machine.sequence(keys)? {
        let key = machine.text(*key)?;
        let Some(Storage { number: kind, .. }) = dict.storages.get(key) else {
            return Fault::damaged(format!("storage {key} has no type"));
        };
        let count = number(bytes, at, 8)? as usize;
        let length = count.saturating_mul(kind.bytes());
        slice(bytes, at + 8, length)?;
        ranges.insert(key.to_owned(), at + 8..at + 8 + length);
        at += 8 + length;
    }
    dict.resolve(|key| ranges.get(key).cloned())
}

/// The pickle machine: a stack with marks, a memo, an arena.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    arena: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
    storages: BTreeMap<String, Storage>,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            arena: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            storages: BTreeMap::new(),
        }
    }

    /// Runs to the `STOP` and gives the value left on the stack.
    fn run(&mut self) -> Result<Id, Fault> {
        loop {
            let op = self.take(1)?[0];
            match op {
                b'.' => return self.pop(),
                // PROTO and FRAME say nothing that matters.
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'N' | 0x89 => self.push(Value::Nothing),
                0x88 => self.push(Value::Int(1)),
                b'K' => self.int(1)?,
                b'M' => self.int(2)?,
                b'J' => {
                    let value = self.number(4)? as u32 as i32;
                    self.push(Value::Int(i64::from(value)));
                }
                0x8a => {
                    let length = self.number(1)? as usize;
                    let value =
                        if length <= 7 { self.number(length)? as i64 } else { self.take(length).map(|_| -1)? };
                    self.push(Value::Int(value));
                }
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Nothing);
                }
                b'X' | b'T' => self.text_of(4)?,
                0x8c | b'U' => self.text_of(1)?,
                0x8d => self.text_of(8)?,
                b')' | b']' => self.push(Value::Sequence(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                0x85..=0x87 => {
                    let length = self.stack.len().checked_sub(usize::from(op - 0x84));
                    let Some(from) = length else { return Fault::damaged("a tuple wants more values than there are") };
                    let items = self.stack.split_off(from);
                    self.push(Value::Sequence(items));
                }
                b't' | b'l' => {
                    let items = self.since_mark()?;
                    self.push(Value::Sequence(items));
                }
                b'd' => {
                    let items = self.since_mark()?;
                    self.push(Value::Dict(pairs(&items)?));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend_sequence(vec![item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.extend_sequence(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(vec![(key, value)])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.extend_dict(pairs(&items)?)?;
                }
                b'q' => self.remember(1)?,
                b'r' => self.remember(4)?,
                0x94 => {
                    let top = self.top()?;
                    self.memo.insert(self.memo.len() as u64, top);
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (module, name) = (self.text(module)?.to_owned(), self.text(name)?.to_owned());
                    self.global(&module, &name)?;
                }
                b'Q' => self.storage()?,
                b'R' => self.reduce()?,
                // BUILD sets attributes; on a dictionary they are torch's version numbers.
                b'b' => {
                    self.pop()?;
                    let top = self.top()?;
                    if !matches!(self.arena[top], Value::Dict(_)) {
                        return Fault::damaged("it sets attributes of something that is not a dictionary");
                    }
                }
                other => return Err(Fault::Refused(format!("pickle operation {other:#04x}"))),
            }
        }
    }

    /// The only names with a meaning.
    fn global(&mut self, module: &str, name: &str) -> Result<(), Fault> {
        let value = match (module, name) {
            ("collections", "OrderedDict") => Value::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Value::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Value::RebuildParameter,
            ("torch", "FloatStorage") => Value::StorageType(Number::F32),
            ("torch", "HalfStorage") => Value::StorageType(Number::F16),
            ("torch", "BFloat16Storage") => Value::StorageType(Number::Bf16),
            ("torch", "DoubleStorage") => Value::StorageType(Number::F64),
            ("torch", "LongStorage") => Value::StorageType(Number::Other(8)),
            ("torch", "IntStorage") => Value::StorageType(Number::Other(4)),
            ("torch", "ByteStorage" | "CharStorage" | "BoolStorage") => Value::StorageType(Number::Other(1)),
            _ => return Err(Fault::Refused(format!("{module}.{name}"))),
        };
        self.push(value);
        Ok(())
    }

    /// `("storage", type, key, device, count)` becomes a storage.
    fn storage(&mut self) -> Result<(), Fault> {
        let top = self.pop()?;
        let fields = self.sequence(top)?.to_vec();
        let [_, kind, key, _, count, ..] = fields[..] else { return Fault::damaged("a storage has too few fields") };
        if let Some(&view) = fields.get(5)
            && !matches!(self.arena[view], Value::Nothing)
        {
            return Fault::damaged("it uses views of storages, which were given up in 2017");
        }
        let Value::StorageType(number) = self.arena[kind] else { return Fault::damaged("a storage has no type") };
        let (key, count) = (self.text(key)?.to_owned(), self.size(count)?);
        self.storages.insert(key.clone(), Storage { number, count });
        self.push(Value::Storage(key));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let arguments = self.sequence(arguments)?.to_vec();
        let value = match (&self.arena[function], &arguments[..]) {
            (Value::OrderedDict, []) => Value::Dict(Vec::new()),
            (Value::OrderedDict, [items, ..]) => {
                let mut entries = Vec::new();
                for item in self.sequence(*items)? {
                    entries.extend(pairs(self.sequence(*item)?)?);
                }
                Value::Dict(entries)
            }
            (Value::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let Value::Storage(storage) = &self.arena[*storage] else {
                    return Fault::damaged("a tensor has no storage");
                };
                let tensor = RawTensor {
                    storage: storage.clone(),
                    offset: self.size(*offset)?,
                    shape: self.sizes(*shape)?,
                    strides: self.sizes(*strides)?,
                };
                if tensor.shape.len() != tensor.strides.len() {
                    return Fault::damaged("a tensor's shape and strides differ in length");
                }
                Value::Tensor(tensor)
            }
            (Value::RebuildParameter, [tensor, ..]) => {
                self.stack.push(*tensor);
                return Ok(());
            }
            _ => return Fault::damaged("a call with arguments that do not fit it"),
        };
        self.push(value);
        Ok(())
    }

    /// The named tensors of the root, or of the dictionary that a trainer put there.
    fn state_dict(self, root: Id) -> Result<StateDict, Fault> {
        let mut root = root;
        // Bounded, since a hostile file may put a dictionary into itself.
        for _ in 0..WRAPPERS.len() {
            let Some(inner) = self.wrapped(root) else { break };
            root = inner;
        }
        let Value::Dict(entries) = &self.arena[root] else {
            return Fault::damaged("it holds no dictionary of tensors");
        };
        let mut tensors = Vec::new();
        for (key, value) in entries {
            if let (Value::Text(name), Value::Tensor(tensor)) = (&self.arena[*key], &self.arena[*value]) {
                tensors.push((name.clone(), tensor.clone()));
            }
        }
        if tensors.is_empty() {
            return Fault::damaged("it holds no tensors by name");
        }
        Ok(StateDict { tensors, storages: self.storages })
    }

    fn wrapped(&self, root: Id) -> Option<Id> {
        let Value::Dict(entries) = &self.arena[root] else { return None };
        WRAPPERS.iter().find_map(|wrapper| {
            let found = entries.iter().find(|(key, _)| matches!(&self.arena[*key], Value::Text(k) if k == wrapper));
            found.map(|(_, value)| *value).filter(|value| matches!(self.arena[*value], Value::Dict(_)))
        })
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.arena.len());
        self.arena.push(value);
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let Some(id) = self.stack.pop() else { return Fault::damaged("the pickle's stack is empty") };
        Ok(id)
    }

    fn top(&self) -> Result<Id, Fault> {
        let Some(id) = self.stack.last() else { return Fault::damaged("the pickle's stack is empty") };
        Ok(*id)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Fault::damaged("the pickle's mark is missing"),
        }
    }

    fn extend_sequence(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let top = self.top()?;
        let Value::Sequence(list) = &mut self.arena[top] else { return Fault::damaged("it appends to no list") };
        list.extend(items);
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<(Id, Id)>) -> Result<(), Fault> {
        let top = self.top()?;
        let Value::Dict(entries) = &mut self.arena[top] else {
            return Fault::damaged("it sets items of no dictionary");
        };
        entries.extend(items);
        Ok(())
    }

    fn remember(&mut self, width: usize) -> Result<(), Fault> {
        let (slot, top) = (self.number(width)?, self.top()?);
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), Fault> {
        let slot = self.number(width)?;
        let Some(id) = self.memo.get(&slot) else { return Fault::damaged("the pickle recalls what it never kept") };
        self.stack.push(*id);
        Ok(())
    }

    fn int(&mut self, width: usize) -> Result<(), Fault> {
        let value = self.number(width)? as i64;
        self.push(Value::Int(value));
        Ok(())
    }

    fn text_of(&mut self, width: usize) -> Result<(), Fault> {
        let length = self.number(width)? as usize;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<String, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return Fault::damaged("the pickle ends within a name");
        };
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn number(&mut self, width: usize) -> Result<u64, Fault> {
        number(self.take(width)?, 0, width)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let taken = slice(self.bytes, self.at, length)?;
        self.at += length;
        Ok(taken)
    }

    fn sequence(&self, id: Id) -> Result<&[Id], Fault> {
        match &self.arena[id] {
            Value::Sequence(items) => Ok(items),
            _ => Fault::damaged("a tuple was expected"),
        }
    }

    fn text(&self, id: Id) -> Result<&str, Fault> {
        match &self.arena[id] {
            Value::Text(text) => Ok(text),
            _ => Fault::damaged("a text was expected"),
        }
    }

    fn size(&self, id: Id) -> Result<usize, Fault> {
        match self.arena[id] {
            Value::Int(size) if size >= 0 => Ok(size as usize),
            _ => Fault::damaged("a size was expected"),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, Fault> {
        let items = self.sequence(id)?;
        if items.len() > MAX_AXES {
            return Fault::damaged(format!("a tensor has {} axes, expected at most {MAX_AXES}", items.len()));
        }
        items.iter().map(|item| self.size(*item)).collect()
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, Fault> {
    if !items.len().is_multiple_of(2) {
        return Fault::damaged("a dictionary has a key without a value");
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
