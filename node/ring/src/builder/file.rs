//! Builder files: a pickled dict, as Python Swift's `RingBuilder` saves itself.
//!
//! Keys that neither program knows are dropped on the next save, as Swift does with keys of the builder's own dict.

use std::io;
use std::path::{Path, PathBuf};

use swiftlet_types::pickle::{self, Array, DecodeError, Dict, Text, Value};

use super::dispersion::TierKey;
use super::{Builder, BuilderError};
use crate::ids::NO_DEVICE;
use crate::{Device, DeviceId, format};

/// Why a builder file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a pickle, or one of something else.
    #[error(transparent)]
    Pickle(#[from] DecodeError),
    /// A field is missing or of another kind.
    #[error("field {0} is missing or malformed")]
    Field(&'static str),
    /// A field breaks what a builder may be.
    #[error(transparent)]
    Value(#[from] BuilderError),
}

/// Why a builder file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("Ring Builder file does not exist: {}", .0.display())]
    NotFound(PathBuf),
    /// The file may not be read.
    #[error("Ring Builder file cannot be accessed: {}", .0.display())]
    NoAccess(PathBuf),
    /// The file could not be read.
    #[error("Ring Builder file cannot be read: {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no builder.
    #[error("Ring Builder file is invalid: {} ({source})", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
}

/// Loads a builder file.
pub fn load(path: &Path) -> Result<Builder, LoadError> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LoadError::NotFound(path.to_owned()),
        io::ErrorKind::PermissionDenied => LoadError::NoAccess(path.to_owned()),
        _ => LoadError::Io { path: path.to_owned(), source },
    })?;
    read(&bytes).map_err(|source| LoadError::Invalid { path: path.to_owned(), source })
}

/// Saves a builder file as a whole. The builder should have its id by then: [`Builder::assign_id`].
pub fn save(path: &Path, builder: &Builder) -> io::Result<()> {
    format::replace_file(path, &write(builder))
}

/// Reads a builder from the bytes of its file.
pub fn read(bytes: &[u8]) -> Result<Builder, ReadError> {
    let value = pickle::decode(bytes)?;
    let fields = Fields(value.as_dict().ok_or(ReadError::Field("dict"))?);
    let part_power = fields.int("part_power")?;
    let mut builder = Builder::new(part_power, fields.float("replicas")?, fields.int("min_part_hours")?)?;
    let parts = builder.part_count();
    if fields.int::<u64>("parts")? != parts as u64 {
        return Err(ReadError::Field("parts"));
    }
    builder.next_part_power = fields.optional("next_part_power", Value::as_int)?;
    builder.version = fields.int("version")?;
    builder.overload = fields.optional("overload", Value::as_float)?.unwrap_or(0.0);
    builder.devices_changed = fields.int::<i64>("devs_changed")? != 0;
    builder.id = fields.optional("id", |id| id.as_str().map(str::to_owned))?;
    builder.dispersion = fields.optional("dispersion", Value::as_float)?;
    builder.last_moves_epoch_secs = fields.optional("_last_part_moves_epoch", Value::as_int)?.unwrap_or(0);
    builder.last_gather_start = fields.int("_last_part_gather_start")?;

    for device in fields.items("devs")? {
        let (device, held, wanted) = match device {
            Value::None => (None, 0, None),
            device => read_device(device, builder.devices.len())?,
        };
        builder.devices.push(device);
        builder.held.push(held);
        builder.wanted.push(wanted);
    }
    for device in fields.items("_remove_devs")? {
        let id = device.as_dict().and_then(|device| device.get("id")).and_then(Value::as_int);
        let id = id.and_then(|id| DeviceId::try_from(id).ok()).filter(|&id| builder.device(id).is_some());
        let id = id.ok_or(ReadError::Field("_remove_devs"))?;
        if !builder.removed.contains(&id) {
            builder.removed.push(id);
        }
    }
    if let Some(moves) = fields.optional("_last_part_moves", read_bytes)? {
        builder.last_moves_hours = moves;
    }
    if builder.last_moves_hours.len() != parts {
        return Err(ReadError::Field("_last_part_moves"));
    }
    read_rows(&fields, &mut builder)?;
    builder.dispersion_graph = match fields.get("_dispersion_graph") {
        Some(Value::Dict(graph)) => graph
            .entries
            .iter()
            .map(|(tier, counts)| read_tier(tier, counts))
            .collect::<Option<_>>()
            .ok_or(ReadError::Field("_dispersion_graph"))?,
        _ => Vec::new(),
    };
    Ok(builder)
}

/// Access to a dict's fields by name.
struct Fields<'a>(&'a Dict);

impl<'a> Fields<'a> {
    /// A field that is neither missing nor None.
    fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| **value != Value::None)
    }

    fn int<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, ReadError> {
        let int = self.get(name).and_then(Value::as_int).and_then(|int| T::try_from(int).ok());
        int.ok_or(ReadError::Field(name))
    }

    fn float(&self, name: &'static str) -> Result<f64, ReadError> {
        self.get(name)
            .and_then(Value::as_float)
            .filter(|float| float.is_finite())
            .ok_or(ReadError::Field(name))
    }

    fn text(&self, name: &'static str) -> Result<String, ReadError> {
        self.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(ReadError::Field(name))
    }

    fn items(&self, name: &'static str) -> Result<&'a [Value], ReadError> {
        self.get(name).and_then(Value::as_items).ok_or(ReadError::Field(name))
    }

    /// A field that may be missing or None.
    fn optional<V, T: TryFrom<V>>(
        &self,
        name: &'static str,
        read: impl Fn(&'a Value) -> Option<V>,
    ) -> Result<Option<T>, ReadError> {
        let read =
            |value| read(value).and_then(|value| T::try_from(value).ok()).ok_or(ReadError::Field(name));
        self.get(name).map(read).transpose()
    }
}

/// A device, what it holds and what it wanted.
fn read_device(value: &Value, index: usize) -> Result<(Option<Device>, u32, Option<i64>), ReadError> {
    let fields = Fields(value.as_dict().ok_or(ReadError::Field("devs"))?);
    let id: DeviceId = fields.int("id")?;
    if id as usize != index {
        return Err(ReadError::Field("id"));
    }
    let weight = fields.float("weight")?;
    if weight < 0.0 {
        return Err(ReadError::Field("weight"));
    }
    let owned = |value: &Value| value.as_str().map(str::to_owned);
    let mut device = Device {
        device: fields.text("device")?,
        id,
        ip: fields.text("ip")?,
        meta: fields.optional("meta", owned)?.unwrap_or_default(),
        port: fields.int("port")?,
        region: fields.optional("region", Value::as_int)?.unwrap_or(1),
        replication_ip: fields.optional("replication_ip", owned)?.unwrap_or_default(),
        replication_port: fields.optional("replication_port", Value::as_int)?.unwrap_or(0),
        weight,
        zone: fields.int("zone")?,
    };
    device.complete();
    // "Everything it has" is written as a fraction when replicas are.
    let wanted = fields.optional("parts_wanted", Value::as_float)?.map(|wanted: f64| wanted as i64);
    Ok((Some(device), fields.int("parts")?, wanted))
}

fn read_bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Array(array) => match &**array {
            Array::U8(hours) => Some(hours.clone()),
            _ => None,
        },
        // After a partition power increase Swift saves a list.
        _ => value.as_items()?.iter().map(|hours| hours.as_int()?.try_into().ok()).collect(),
    }
}

fn read_rows(fields: &Fields<'_>, builder: &mut Builder) -> Result<(), ReadError> {
    const NAME: &str = "_replica2part2dev";
    if fields.get(NAME).is_none() {
        return Ok(());
    }
    let mut rows = Vec::new();
    for row in fields.items(NAME)? {
        let Value::Array(array) = row else { return Err(ReadError::Field(NAME)) };
        let (row, id_bytes): (Vec<DeviceId>, u8) = match &**array {
            Array::U8(ids) => (widen(ids, u8::MAX), 1),
            Array::U16(ids) => (widen(ids, u16::MAX), 2),
            Array::U32(ids) => (ids.clone(), 4),
        };
        let is_known = |&id: &DeviceId| id == NO_DEVICE || builder.device(id).is_some();
        if row.len() > builder.part_count() || !row.iter().all(is_known) {
            return Err(ReadError::Field(NAME));
        }
        builder.id_bytes = id_bytes;
        rows.push(row);
    }
    builder.rows = Some(rows);
    Ok(())
}

fn widen<T: Copy + PartialEq + Into<DeviceId>>(ids: &[T], none: T) -> Vec<DeviceId> {
    ids.iter().map(|&id| if id == none { NO_DEVICE } else { id.into() }).collect()
}

fn read_tier(tier: &Value, counts: &Value) -> Option<(TierKey, Vec<u64>)> {
    let int = |value: &Value| u32::try_from(value.as_int()?).ok();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = match tier.as_items()? {
        [region] => TierKey::Region(int(region)?),
        [region, zone] => TierKey::Zone(int(region)?, int(zone)?),
        [region, zone, ip] => TierKey::Server(int(region)?, int(zone)?, text(ip)?),
        [region, zone, ip, id] => TierKey::Device(int(region)?, int(zone)?, text(ip)?, int(id)?),
        _ => return None,
    };
    let counts = counts.as_items()?.iter().map(|count| u64::try_from(count.as_int()?).ok());
    Some((key, counts.collect::<Option<_>>()?))
}

/// The bytes of a builder file.
pub fn write(builder: &Builder) -> Vec<u8> {
    let int = |int: usize| Value::Int(int as i64);
    let names = DeviceFields::default();
    let devices: Vec<Value> = (0..builder.devices.len()).map(|id| names.value(builder, id)).collect();
    let rows = builder.rows.as_ref().map(|rows| {
        let id_bytes = builder.id_bytes;
        let row = |row: &Vec<DeviceId>| match id_bytes {
            4 => Value::from(Array::U32(row.clone())),
            _ => Array::U16(row.iter().map(|&id| id as u16).collect()).into(),
        };
        Value::list(rows.iter().map(row))
    });
    let graph = |(tier, counts): &(TierKey, Vec<u64>)| {
        (tier_value(tier), Value::list(counts.iter().map(|&count| Value::Int(count as i64))))
    };
    let fields: Vec<(&str, Value)> = vec![
        ("part_power", Value::Int(builder.part_power.into())),
        ("next_part_power", builder.next_part_power.map(i64::from).into()),
        ("replicas", builder.replicas.into()),
        ("min_part_hours", Value::Int(builder.min_part_hours.into())),
        ("parts", int(builder.part_count())),
        ("devs", Value::list(devices.iter().cloned())),
        ("devs_changed", builder.devices_changed.into()),
        ("dev_id_bytes", Value::Int(builder.id_bytes().into())),
        ("version", Value::Int(builder.version as i64)),
        ("overload", builder.overload.into()),
        ("_replica2part2dev", rows.into()),
        ("_last_part_moves_epoch", Value::Int(builder.last_moves_epoch_secs as i64)),
        ("_last_part_moves", Array::U8(builder.last_moves_hours.clone()).into()),
        ("_last_part_gather_start", Value::Int(builder.last_gather_start as i64)),
        ("_dispersion_graph", builder.dispersion_graph.iter().map(graph).collect::<Dict>().into()),
        ("dispersion", builder.dispersion.into()),
        // The very objects of `devs`, as in Swift: it compares them by identity after loading.
        ("_remove_devs", Value::list(builder.removed.iter().map(|&id| devices[id as usize].clone()))),
        ("id", builder.id.as_deref().into()),
    ];
    pickle::encode(&Value::from(fields.into_iter().collect::<Dict>()))
}

fn tier_value(tier: &TierKey) -> Value {
    let int = |int: &u32| Value::Int(i64::from(*int));
    match tier {
        TierKey::Region(region) => Value::tuple([int(region)]),
        TierKey::Zone(region, zone) => Value::tuple([int(region), int(zone)]),
        TierKey::Server(region, zone, ip) => Value::tuple([int(region), int(zone), ip.as_str().into()]),
        TierKey::Device(region, zone, ip, id) => {
            Value::tuple([int(region), int(zone), ip.as_str().into(), int(id)])
        }
    }
}

/// The names of a device's fields, each written once in a file.
struct DeviceFields([Text; 12]);

impl Default for DeviceFields {
    fn default() -> DeviceFields {
        let names = [
            "region",
            "zone",
            "ip",
            "port",
            "device",
            "replication_ip",
            "replication_port",
            "meta",
            "weight",
            "id",
            "parts",
            "parts_wanted",
        ];
        DeviceFields(names.map(Text::from))
    }
}

impl DeviceFields {
    fn value(&self, builder: &Builder, id: usize) -> Value {
        let Some(device) = &builder.devices[id] else { return Value::None };
        let int = |int: u32| Value::Int(i64::from(int));
        let values = [
            int(device.region),
            int(device.zone),
            device.ip.as_str().into(),
            int(device.port.into()),
            device.device.as_str().into(),
            device.replication_ip.as_str().into(),
            int(device.replication_port.into()),
            device.meta.as_str().into(),
            device.weight.into(),
            int(device.id),
            int(builder.held[id]),
            builder.wanted[id].into(),
        ];
        let known = if builder.wanted[id].is_some() { 12 } else { 11 };
        self.0.iter().cloned().zip(values).take(known).collect::<Dict>().into()
    }
}
