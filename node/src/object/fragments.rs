//! What a proxy and the server say to each other of fragments, in header fields.

use crate::http::{Headers, Response};
use serde_json::Value;
use swiftlet_storage::object::{FragmentPreference, FragmentPreferences, FragmentSets};

/// Which fragments the reader would rather have; it takes one that was not committed only where it says. What is no JSON
/// is as good as nothing, as in Swift.
pub(super) fn preferences(headers: &Headers) -> Result<Option<FragmentPreferences>, Response> {
    let Some(value) = headers.get("X-Backend-Fragment-Preferences") else { return Ok(None) };
    match serde_json::from_slice(value) {
        Err(_) | Ok(Value::Null) => Ok(None),
        Ok(Value::Array(items)) => {
            let items = items.iter().map(preference).collect::<Option<_>>();
            items.map(|items| Some(FragmentPreferences(items))).ok_or_else(refused)
        }
        Ok(_) => Err(refused()),
    }
}

/// Which fragment of each object an SSYNC is about, if it says so (`X-Backend-Ssync-Frag-Index`).
pub(super) fn ssync_index(headers: &Headers) -> Result<Option<u32>, Response> {
    const NAME: &str = "X-Backend-Ssync-Frag-Index";
    let Some(text) = headers.get_str(NAME).filter(|text| !text.is_empty()) else { return Ok(None) };
    let index = text.trim().parse().map_err(|_| Response::plain(400, format!("Invalid {NAME} {text:?}")))?;
    Ok(Some(index))
}

fn preference(item: &Value) -> Option<FragmentPreference> {
    let timestamp = item.get("timestamp")?.as_str()?.parse().ok()?;
    let index = |index: &Value| u32::try_from(index.as_u64()?).ok();
    let exclude = item.get("exclude")?.as_array()?.iter().map(index).collect::<Option<_>>()?;
    Some(FragmentPreference { timestamp, exclude })
}

fn refused() -> Response {
    let text = "X-Backend-Fragment-Preferences is no list of {\"timestamp\": \"…\", \"exclude\": [index, …]}";
    Response::plain(400, text)
}

/// `X-Backend-Fragments`: the indexes that there are of each time, as JSON.
pub(super) fn listed(fragments: &FragmentSets) -> Option<String> {
    let times = fragments.by_time.iter().map(|(time, indexes)| {
        let indexes: Vec<String> = indexes.iter().map(u32::to_string).collect();
        format!("\"{}\": [{}]", time.internal(), indexes.join(", "))
    });
    let times: Vec<String> = times.collect();
    (!times.is_empty()).then(|| format!("{{{}}}", times.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Result<Option<FragmentPreferences>, u16> {
        let headers = [("X-Backend-Fragment-Preferences", value)].into_iter().collect();
        preferences(&headers).map_err(|answer| answer.status)
    }

    #[test]
    fn preferences_are_read_or_refused() {
        let read_well = read(r#"[{"timestamp": "1402464677.04188", "exclude": [1, 3]}]"#).unwrap().unwrap();
        assert_eq!(read_well.0[0].exclude, [1, 3]);
        assert_eq!(read_well.0[0].timestamp.internal(), "1402464677.04188");
        assert_eq!(read("[]"), Ok(Some(FragmentPreferences(vec![]))));
        assert_eq!((read("null"), read("no JSON")), (Ok(None), Ok(None)));
        for bad in [
            "7",
            r#"{"timestamp": "1"}"#,
            r#"[{"timestamp": "x", "exclude": []}]"#,
            r#"[{"timestamp": "1", "exclude": [-1]}]"#,
            r#"[{"timestamp": "1"}]"#,
        ] {
            assert_eq!(read(bad), Err(400), "{bad}");
        }
    }

    #[test]
    fn what_is_there_is_listed() {
        let time = "1402464677.04188".parse().unwrap();
        let sets = FragmentSets { by_time: vec![(time, vec![0, 4])], durable: None };
        assert_eq!(listed(&sets).as_deref(), Some(r#"{"1402464677.04188": [0, 4]}"#));
        assert_eq!(listed(&FragmentSets::default()), None);
    }
}
