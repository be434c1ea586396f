//! The other side is the real CPython of `SWIFT_VENV`.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use swiftlet_testing::run_python;

use super::*;

/// Gives each line of `input` to a Python program that answers with one line each.
fn ask_python(program: &str, input: &str) -> Vec<String> {
    run_python(program, &[], input).lines().map(str::to_owned).collect()
}

/// A Python expression whose value is made of objects as fresh as those of `value`.
fn expression(value: &Value, out: &mut String) {
    let mut all = |open: &str, items: &[Value], close: &str| {
        out.push_str(open);
        for item in items {
            expression(item, out);
            out.push(',');
        }
        out.push_str(close);
    };
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Value::Int(int) => write!(out, "{int}").expect("to a String"),
        Value::Float(float) => write!(out, "f('{:016x}')", float.to_bits()).expect("to a String"),
        Value::Bytes(bytes) => write!(out, "b('{}')", hex::encode(bytes)).expect("to a String"),
        Value::Str(text) => write!(out, "s('{}')", hex::encode(text.as_bytes())).expect("to a String"),
        Value::List(items) => all("[", items, "]"),
        Value::Tuple(items) => all("tuple([", items, "])"),
        Value::Dict(dict) => {
            out.push_str(if dict.class == DictClass::Plain { "dict([" } else { "h([" });
            for (key, value) in &dict.entries {
                expression(&Value::tuple([key.clone(), value.clone()]), out);
                out.push(',');
            }
            out.push_str("])");
        }
        Value::Array(array) => match &**array {
            Array::U8(items) => write!(out, "a('B',{items:?})").expect("to a String"),
            Array::U16(items) => write!(out, "a('H',{items:?})").expect("to a String"),
            Array::U32(items) => write!(out, "a('I',{items:?})").expect("to a String"),
        },
    }
}

const PICKLE_EACH: &str = r#"
import pickle, struct, sys
from array import array as a
from swift.common.header_key_dict import HeaderKeyDict
def s(h): return bytes.fromhex(h).decode('utf8', 'surrogatepass')
def b(h): return bytes.fromhex(h)
def f(h): return struct.unpack('>d', bytes.fromhex(h))[0]
def h(items):
    d = HeaderKeyDict()
    for k, v in items: dict.__setitem__(d, k, v)
    return d
for line in sys.stdin:
    x = eval(line)
    print(*(pickle.dumps(x, p).hex() for p in (0, 1, 2)))
"#;

fn key() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-zA-Z-]{0,12}".prop_map(|s| Value::from(&*s)),
        any::<i64>().prop_map(Value::Int),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Value::bytes),
        ".{0,6}".prop_map(|s| Value::from(&*s)),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    let small = -70_000i64..70_000;
    prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        small.prop_map(Value::Int),
        (any::<f64>()).prop_filter("NaN is not equal to itself", |f| !f.is_nan()).prop_map(Value::Float),
        key(),
        // Made anew each time: a clone would be the same object.
        Just(()).prop_map(|()| Value::Str(Text::from_wtf8(b"caf\xed\xb3\xa9").expect("lone surrogate"))),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(|v| Array::U8(v).into()),
        proptest::collection::vec(any::<u16>(), 0..4).prop_map(|v| Array::U16(v).into()),
        proptest::collection::vec(any::<u32>(), 0..4).prop_map(|v| Array::U32(v).into()),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let entries = proptest::collection::vec((key(), inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
            proptest::collection::vec(inner, 0..6).prop_map(Value::tuple),
            (any::<bool>(), entries).prop_map(|(plain, entries)| {
                let mut seen = std::collections::HashSet::new();
                let entries = entries.into_iter().filter(|(key, _)| seen.insert(encode(key))).collect();
                let class = if plain { DictClass::Plain } else { DictClass::HeaderKeyDict };
                Dict { class, entries }.into()
            }),
        ]
    })
}

fn check_against_python(values: &[Value]) {
    let mut input = String::new();
    for value in values {
        expression(value, &mut input);
        input.push('\n');
    }
    let answers = ask_python(PICKLE_EACH, &input);
    assert_eq!(answers.len(), values.len());
    for (value, answer) in values.iter().zip(answers) {
        let pickles: Vec<Vec<u8>> =
            answer.split(' ').map(|pickle| hex::decode(pickle).expect("hex")).collect();
        assert_eq!(hex::encode(encode(value)), hex::encode(&pickles[2]), "encoding of {value:?}");
        for pickle in &pickles {
            assert_eq!(decode(pickle).as_ref(), Ok(value));
        }
        let again = decode(&pickles[2]).expect("it just decoded");
        assert_eq!(hex::encode(encode(&again)), hex::encode(&pickles[2]), "identity is lost by decoding");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_value_is_written_as_python_writes_it(values in proptest::collection::vec(tree(), 200)) {
        check_against_python(&values);
    }
}

proptest! {
    #[test]
    fn hostile_bytes_are_an_error_at_most(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_damaged_pickle_is_an_error_at_most(value in tree(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut pickle = encode(&value);
        let at = at.index(pickle.len());
        pickle[at] = byte;
        let _ = decode(&pickle);
        let _ = decode(&pickle[..at]);
    }
}

#[test]
fn batches_break_where_pythons_do() {
    let keys = |n: i64| (0..n).map(|i| (Value::Int(i), Value::Bool(true)));
    let header_key_dict =
        |n| Value::from(Dict { class: DictClass::HeaderKeyDict, entries: keys(n).collect() });
    let values: Vec<Value> = [0, 1, 2, 999, 1000, 1001, 2000, 2001]
        .into_iter()
        .flat_map(|n| {
            [
                Value::list((0..n).map(Value::Int)),
                Value::from(keys(n).collect::<Dict>()),
                header_key_dict(n),
                Array::U16((0..n as u16).collect()).into(),
                Value::tuple((0..n).map(|i| Value::from(&*format!("item {i}")))),
            ]
        })
        .collect();
    check_against_python(&values);
}

#[test]
fn the_same_object_is_written_once() {
    let name = Value::from("account");
    let shared = Value::list([name.clone(), name.clone(), Value::from("account")]);
    let program = "import pickle; n = 'acc'; n += 'ount'; m = ''.join(n); m = m[:3] + m[3:]\n\
                   print(pickle.dumps([n, n, m], 2).hex())";
    assert_eq!(ask_python(program, "")[0], hex::encode(encode(&shared)));
}

#[test]
fn builder_files_survive_byte_for_byte() {
    let program = r#"
import os, tempfile
from swift.common.ring import RingBuilder
rb = RingBuilder(5, 3, 1)
for i in range(6):
    rb.add_dev({'region': 1, 'zone': i, 'ip': '127.0.0.%d' % i, 'port': 6000, 'device': 'sda', 'weight': 10.0,
                'replication_ip': '127.0.0.%d' % i, 'replication_port': 6000, 'meta': ''})
rb.rebalance(seed=1)
rb.remove_dev(2)
with tempfile.TemporaryDirectory() as d:
    rb.save(os.path.join(d, 'b'))
    print(open(os.path.join(d, 'b'), 'rb').read().hex())
"#;
    let pickle = hex::decode(&ask_python(program, "")[0]).expect("hex");
    let builder = decode(&pickle).expect("a builder");
    assert_eq!(builder.as_dict().and_then(|b| b.get("part_power")), Some(&Value::Int(5)));
    assert_eq!(hex::encode(encode(&builder)), hex::encode(&pickle));
}

#[test]
fn python_2_strings_are_text_or_bytes_as_asked() {
    let short = b"\x80\x02}q\x01U\x04nameq\x02T\x03\x00\x00\x00/\xc3\xa9s.";
    assert_eq!(decode(short), Ok(Dict::from_iter([("name", "/\u{e9}")]).into()));
    let bytes = |b: &[u8]| Value::bytes(b);
    let as_bytes = Dict::from_iter([(bytes(b"name"), bytes(b"/\xc3\xa9"))]);
    assert_eq!(decode_with(short, Py2Strings::AsBytes), Ok(as_bytes.into()));

    let protocol_0 = b"(dp1\nS'it\\'s \\x41\\n'\np2\nV\\u20ac\np3\nsI01\nL12L\nF1.5\n00.";
    let values = decode_with(protocol_0, Py2Strings::AsBytes);
    assert!(matches!(values, Ok(Value::Bool(true))), "{values:?}");
    assert_eq!(decode(b"S\"it's \\x41\\n\"\np0\n."), Ok(Value::from("it's A\n")));
    assert_eq!(decode(b"U\x01\xe9."), Err(DecodeError::Malformed { what: "string", at: 0 }));
    assert_eq!(decode_with(b"U\x01\xe9.", Py2Strings::AsBytes), Ok(bytes(b"\xe9")));
}

#[test]
fn header_key_dicts_of_every_protocol_are_dicts() {
    let program = r#"
import pickle
from swift.common.header_key_dict import HeaderKeyDict
for p in (0, 1, 2): print(pickle.dumps({'headers': HeaderKeyDict({'x-size': '1'})}, p).hex())
"#;
    for pickle in ask_python(program, "") {
        let value = decode(&hex::decode(pickle).expect("hex")).expect("an async pending");
        let headers = value.as_dict().and_then(|update| update.get("headers")).and_then(Value::as_dict);
        let headers = headers.expect("headers");
        assert_eq!(headers.class, DictClass::HeaderKeyDict);
        assert_eq!(headers.get("X-Size").and_then(Value::as_str), Some("1"));
    }
}

#[test]
fn what_is_not_in_the_table_is_forbidden() {
    let system = b"cos\nsystem\n(S'true'\ntR.";
    assert_eq!(decode(system), Err(DecodeError::ForbiddenGlobal("os.system".into())));
    assert_eq!(decode(b"\x80\x03N."), Err(DecodeError::Protocol(3)));
    assert_eq!(decode(b"Psome id\n."), Err(DecodeError::Opcode { opcode: b'P', at: 0 }));
    let arguments = b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.";
    assert!(matches!(decode(arguments), Err(DecodeError::Inconsistent { .. })));
}

#[test]
fn bounds_hold() {
    let deep = [vec![b'('; 100_000], vec![b't'; 100_000], vec![b'.']].concat();
    assert!(matches!(decode(&deep), Err(DecodeError::TooLarge(_))));
    let cycle = b"]q\x00h\x00a.";
    assert!(matches!(decode(cycle), Err(DecodeError::TooLarge(_))));
    let huge_int = b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.";
    assert_eq!(decode(huge_int), Err(DecodeError::TooLarge("integer beyond 64 bits")));
    assert_eq!(decode(b"X\xff\xff\xff\xffabc."), Err(DecodeError::Truncated(0)));
    let mut doubled = Value::list([Value::Int(1 << 40)]);
    for _ in 0..50 {
        doubled = Value::list([doubled.clone(), doubled]);
    }
    let pickle = encode(&doubled);
    assert!(pickle.len() < 1000, "sharing keeps 2^50 leaves small");
    let again = decode(&pickle).expect("shared, not expanded");
    assert_eq!(encode(&again), pickle);
}

#[test]
fn what_is_said_once_and_meant_often_is_bounded() {
    let (many, long) = (1000, [&b"X\x10\x27\0\0"[..], &[b'x'; 10_000]].concat());
    let numbers: Vec<u8> = (0..many as u16).flat_map(|n| [b'M', n as u8, (n >> 8) as u8]).collect();
    let again = |what: &[u8]| what.repeat(many);
    let arrays =
        [b"carray\narray\nq\0X\x01\0\0\0Iq\x01]q\x02(", &numbers[..], b"e", &again(b"h\0h\x01h\x02\x86R")];
    let dict: Vec<u8> = numbers.chunks(3).flat_map(|key| [key, b"N"].concat()).collect();
    let classes =
        b"ccopy_reg\n_reconstructor\nq\0cswift.common.swob\nHeaderKeyDict\nq\x01c__builtin__\ndict\nq\x02";
    let dicts = [&classes[..], b"}q\x03(", &dict, b"u", &again(b"h\0h\x01h\x02h\x03\x87R")];
    let bytes =
        [b"c_codecs\nencode\nq\0X\x06\0\0\0latin1q\x01", &long[..], b"q\x02", &again(b"h\0h\x02h\x01\x86R")];
    let key_pairs: Vec<u8> = numbers.chunks(3).flat_map(|n| [b"h\0", n, b"\x86N"].concat()).collect();
    let keys = [&long[..], b"q\0}(", &key_pairs, b"u"];
    for pickle in [arrays.concat(), dicts.concat(), bytes.concat(), keys.concat()] {
        let decoded = decode(&[&pickle[..], b"."].concat());
        assert_eq!(decoded.err(), Some(DecodeError::TooLarge("copies 32 times its length")));
    }
}

#[test]
fn a_key_set_twice_keeps_its_last_value() {
    let twice = Dict { class: DictClass::Plain, entries: vec![] };
    assert_eq!(decode(b"}."), Ok(Value::Dict(Arc::new(twice))));
    assert_eq!(decode(b"}K\x01K\x02sK\x01K\x03s."), Ok(Dict::from_iter([(Value::Int(1), 3i64)]).into()));
    assert!(matches!(decode(b"}]K\x01s."), Err(DecodeError::Inconsistent { .. })));
}
