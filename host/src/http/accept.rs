//! Which format a read is answered in: the one place where `Accept` is understood.

use axum::http::{HeaderMap, StatusCode, header};

use super::cloud_events;
use super::problem::Problem;

/// How the events of a read are written. A new one needs a variant, a media type here, and brackets and a writer in
/// `pages.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object with a list.
    Json,
    /// One event a line.
    NdJson,
    /// A batch of CloudEvents.
    CloudEvents,
    /// Server-sent events: what there is and then what comes, without an end.
    EventStream,
}

/// In the order in which they are chosen when a client likes them alike.
const OFFERS: [Format; 4] = [Format::Json, Format::NdJson, Format::CloudEvents, Format::EventStream];

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
            Self::CloudEvents => cloud_events::BATCH,
            Self::EventStream => "text/event-stream",
        }
    }

    /// What tells its answers apart from those in other formats, in their tags.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Json => "",
            Self::NdJson | Self::EventStream => "-lines",
            Self::CloudEvents => "-cloudevents",
        }
    }

    /// An answer that never ends must be asked for by its name.
    fn fits_wildcard(self) -> bool {
        self != Self::EventStream
    }

    /// The format that the client likes best. Without a wish it is JSON.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let media_types = OFFERS.map(Self::media_type);
        best(headers, &OFFERS.map(|format| (format.media_type(), format.fits_wildcard(), format)))
            .ok_or_else(|| not_acceptable(headers, &media_types))
    }
}

/// A media type, whether a wildcard may mean it, and what it stands for.
pub type Offer<T> = (&'static str, bool, T);

/// Of what is offered, what the client likes best: the first when it says nothing, and of those that it likes alike the one
/// that it names most precisely, then the one that is offered first. `None` when it wants none of them.
pub fn best<T: Copy>(headers: &HeaderMap, offers: &[Offer<T>]) -> Option<T> {
    if !headers.contains_key(header::ACCEPT) {
        return offers.first().map(|(_, _, offered)| *offered);
    }
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> = values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
    // The first of the best: `max_by_key` would take the last.
    let liked = offers.iter().rev().filter_map(|offer| Some((liking(offer, &ranges)?, offer.2)));
    liked.max_by_key(|(liking, _)| *liking).map(|(_, offered)| offered)
}

/// How much it is liked, and how precisely it was named; `None` when it is not wanted. The most precise range counts.
fn liking<T>(offer: &Offer<T>, ranges: &[Range<'_>]) -> Option<(u16, Precision)> {
    let fitting = ranges.iter().filter_map(|range| Some((range.precision(offer.0, offer.1)?, range.thousandths)));
    let (precision, thousandths) = fitting.max_by_key(|(precision, _)| *precision)?;
    (thousandths > 0).then_some((thousandths, precision))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Type,
    Exact,
}

/// One of the media ranges in a header.
struct Range<'a> {
    media: &'a str,
    /// Its `q`, in thousandths.
    thousandths: u16,
}

impl<'a> Range<'a> {
    /// Parameters other than `q` change nothing. A range that cannot be read is as good as none.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| media.contains('/'))?;
        let mut thousandths = 1_000;
        for part in parts {
            if let Some((name, value)) = part.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                let q: f32 = value.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
                thousandths = (q * 1_000.0).round() as u16;
            }
        }
        Some(Self { media, thousandths })
    }

    fn precision(&self, media: &str, fits_wildcard: bool) -> Option<Precision> {
        let main = media.split('/').next().unwrap_or_default();
        if self.media.eq_ignore_ascii_case(media) {
            return Some(Precision::Exact);
        }
        let (own, sub) = self.media.split_once('/')?;
        match (own, sub) {
            _ if !fits_wildcard => None,
            ("*", "*") => Some(Precision::Anything),
            (own, "*") if own.eq_ignore_ascii_case(main) => Some(Precision::Type),
            _ => None,
        }
    }
}

fn not_acceptable(headers: &HeaderMap, names: &[&'static str]) -> Problem {
    let asked: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let asked: String = asked.join(", ").chars().take(200).collect();
    let detail = format!("Accept '{asked}' cannot be served; choose {}", names.join(", "));
    Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail).with("acceptable", names.to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        for value in accept.split('|') {
            headers.append(header::ACCEPT, value.parse().expect("a header"));
        }
        Format::of(&headers).ok()
    }

    #[test]
    fn without_a_wish_or_with_any_it_is_json() {
        assert_eq!(Format::of(&HeaderMap::new()).ok(), Some(Format::Json));
        for any in
            ["*/*", "application/*", "text/html, */*;q=0.1", "application/json", "APPLICATION/JSON;charset=utf-8"]
        {
            assert_eq!(of(any), Some(Format::Json), "{any}");
        }
    }

    #[test]
    fn the_best_liked_is_taken_and_the_more_precise_of_equals() {
        let cases = [
            ("application/x-ndjson", Format::NdJson),
            ("application/cloudevents-batch+json", Format::CloudEvents),
            ("application/cloudevents-batch+json, application/json;q=0.9", Format::CloudEvents),
            ("text/event-stream", Format::EventStream),
            ("application/json;q=0.5, application/x-ndjson", Format::NdJson),
            ("application/json;q=0.5|application/x-ndjson;q=0.6", Format::NdJson),
            ("application/x-ndjson, */*", Format::NdJson),
            ("application/x-ndjson;q=0.9, */*", Format::Json),
            ("text/event-stream, application/json", Format::Json),
            ("text/event-stream, application/json;q=0.9", Format::EventStream),
            ("application/json;q=0, application/*", Format::NdJson),
            ("*/*;q=0, application/x-ndjson;q=0.001", Format::NdJson),
            ("application/json;q=up, application/x-ndjson", Format::NdJson),
        ];
        for (accept, format) in cases {
            assert_eq!(of(accept), Some(format), "{accept}");
        }
    }

    #[test]
    fn what_cannot_be_served_is_refused_and_a_stream_without_an_end_must_be_named() {
        for accept in
            ["text/html", "", "json", "application/json;q=0", "*/*;q=0", "image/*", "text/*", "application/json;q=2"]
        {
            assert_eq!(of(accept), None, "{accept}");
        }
    }
}
