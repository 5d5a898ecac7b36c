//! Which door a request is at.

use hyper::Method;

use crate::sources::config::Door;
use crate::sources::shapes::{Coding, Shape};

/// What is behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Lines in this shape.
    Lines(Door),
    /// What clients of Elasticsearch ask before they send: who are you, are you well, may I.
    About(About),
}

/// Questions of clients of Elasticsearch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// `GET /`
    Server,
    /// `GET /_cluster/health`
    Health,
    /// `GET /_license`
    License,
}

/// Why there is no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Nothing is at that path.
    NotFound,
    /// Something is, for another method.
    Method,
}

/// The room at `path`, of those whose doors are open.
pub(super) fn room(doors: &[Door], method: &Method, path: &str) -> Result<Room, NoRoom> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let (door, room, right) = match path {
        "/ingest" => (Door::Ingest, Room::Lines(Door::Ingest), *method == Method::POST),
        "/v1/logs" => (Door::Otlp, Room::Lines(Door::Otlp), *method == Method::POST),
        "/loki/api/v1/push" => (Door::Loki, Room::Lines(Door::Loki), *method == Method::POST),
        "/" => (Door::Elasticsearch, Room::About(About::Server), reads),
        "/_cluster/health" => (Door::Elasticsearch, Room::About(About::Health), reads),
        "/_license" => (Door::Elasticsearch, Room::About(About::License), reads),
        _ if path == "/_bulk" || is_index_bulk(path) => {
            let right = matches!(*method, Method::POST | Method::PUT);
            (Door::Elasticsearch, Room::Lines(Door::Elasticsearch), right)
        }
        _ => return Err(NoRoom::NotFound),
    };
    if !doors.contains(&door) {
        return Err(NoRoom::NotFound);
    }
    if right { Ok(room) } else { Err(NoRoom::Method) }
}

/// `/INDEX/_bulk`
fn is_index_bulk(path: &str) -> bool {
    path.strip_suffix("/_bulk").and_then(|rest| rest.strip_prefix('/')).is_some_and(|index| !index.contains('/'))
}

/// What the body is and how it is compressed, by its headers; `None` for what is not taken.
pub(super) fn shape(door: Door, content_type: &[u8], encoding: &[u8]) -> Option<(Shape, Coding)> {
    let mut coding = Coding::named(encoding)?;
    let essence = content_type.split(|b| *b == b';').next().unwrap_or(b"").trim_ascii().to_ascii_lowercase();
    let protobuf = matches!(&essence[..], b"application/x-protobuf" | b"application/protobuf");
    let json = essence.is_empty() || essence == b"application/json";
    let shape = match door {
        Door::Ingest if essence == b"application/json" => Shape::Values,
        Door::Ingest if protobuf => return None,
        Door::Ingest => Shape::Lines,
        Door::Otlp if protobuf => Shape::OtlpProtobuf,
        Door::Otlp if json => Shape::OtlpJson,
        Door::Loki if protobuf => {
            // its clients compress without saying so
            if coding == Coding::Identity {
                coding = Coding::Snappy;
            }
            Shape::LokiProtobuf
        }
        Door::Loki if json => Shape::LokiJson,
        Door::Otlp | Door::Loki => return None,
        Door::Elasticsearch => Shape::Bulk,
    };
    Some((shape, coding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_rooms() {
        let all = Door::all();
        let post = |path| room(&all, &Method::POST, path);
        assert_eq!(post("/ingest"), Ok(Room::Lines(Door::Ingest)));
        assert_eq!(post("/logs-app/_bulk"), Ok(Room::Lines(Door::Elasticsearch)));
        assert_eq!(post("/a/b/_bulk"), Err(NoRoom::NotFound));
        assert_eq!(post("/"), Err(NoRoom::Method));
        assert_eq!(room(&all, &Method::GET, "/ingest"), Err(NoRoom::Method));
        assert_eq!(room(&all, &Method::HEAD, "/"), Ok(Room::About(About::Server)));
        assert_eq!(room(&[Door::Ingest], &Method::POST, "/v1/logs"), Err(NoRoom::NotFound));
    }

    #[test]
    fn headers_say_what_a_body_is() {
        use Coding::{Gzip, Identity, Snappy};
        type Case = (Door, &'static str, &'static str, Option<(Shape, Coding)>);
        let cases: [Case; 9] = [
            (Door::Ingest, "", "", Some((Shape::Lines, Identity))),
            (Door::Ingest, "application/x-ndjson", "gzip", Some((Shape::Lines, Gzip))),
            (Door::Ingest, "Application/JSON; charset=utf-8", "", Some((Shape::Values, Identity))),
            (Door::Ingest, "", "br", None),
            (Door::Otlp, "application/x-protobuf", "", Some((Shape::OtlpProtobuf, Identity))),
            (Door::Otlp, "text/plain", "", None),
            (Door::Loki, "application/x-protobuf", "", Some((Shape::LokiProtobuf, Snappy))),
            (Door::Loki, "application/json", "gzip", Some((Shape::LokiJson, Gzip))),
            (
                Door::Elasticsearch,
                "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
                "",
                Some((Shape::Bulk, Identity)),
            ),
        ];
        for (door, content_type, encoding, want) in cases {
            assert_eq!(shape(door, content_type.as_bytes(), encoding.as_bytes()), want, "{door:?} {content_type}");
        }
    }
}
