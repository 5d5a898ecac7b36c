//! Which door a request is at: pure.

use hyper::Method;

/// What is behind a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// `/`
    Page,
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/api/v1/events`
    Events,
    /// What is read.
    Read(Read),
    /// What is done.
    Act(Act),
}

/// What the API shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// `/api/v1/status`
    Status,
    /// `/api/v1/keys`
    Keys,
    /// `/api/v1/keys/KEY`
    Key(String),
    /// `/api/v1/alerts`
    Alerts,
    /// `/api/v1/alerts/ID`
    Alert(String),
    /// `/api/v1/silences`
    Silences,
    /// `/api/v1/sources`
    Sources,
    /// `/api/v1/redactions`
    Redactions,
}

/// What the API does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// `/api/v1/alerts/ID/ack`
    Ack(String),
    /// `/api/v1/silences`
    Silence,
    /// `/api/v1/silences/ID/end`
    EndSilence(String),
}

/// Why there is no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Nothing is at that path.
    NotFound,
    /// Something is, for this other method.
    Method(&'static str),
}

/// The room at `path`.
pub(super) fn room(method: &Method, path: &str) -> Result<Room, NoRoom> {
    let name = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let parts: Vec<&str> = path.strip_prefix("/api/v1/").map(|p| p.split('/').collect()).unwrap_or_default();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let posts = *method == Method::POST;
    let room = match (path, &parts[..]) {
        ("/", _) => Room::Page,
        ("/healthz", _) => Room::Health,
        ("/readyz", _) => Room::Ready,
        ("/metrics", _) => Room::Metrics,
        (_, ["events"]) => Room::Events,
        (_, ["status"]) => Room::Read(Read::Status),
        (_, ["keys"]) => Room::Read(Read::Keys),
        (_, ["keys", key]) if !key.is_empty() => Room::Read(Read::Key(name(key))),
        (_, ["alerts"]) => Room::Read(Read::Alerts),
        (_, ["alerts", id]) if !id.is_empty() => Room::Read(Read::Alert(name(id))),
        (_, ["alerts", id, "ack"]) if !id.is_empty() => Room::Act(Act::Ack(name(id))),
        (_, ["silences"]) if posts => Room::Act(Act::Silence),
        (_, ["silences"]) => Room::Read(Read::Silences),
        (_, ["silences", id, "end"]) if !id.is_empty() => Room::Act(Act::EndSilence(name(id))),
        (_, ["sources"]) => Room::Read(Read::Sources),
        (_, ["redactions"]) => Room::Read(Read::Redactions),
        _ => return Err(NoRoom::NotFound),
    };
    match room {
        Room::Act(_) if posts => Ok(room),
        Room::Act(_) => Err(NoRoom::Method("POST")),
        _ if reads => Ok(room),
        _ => Err(NoRoom::Method("GET, HEAD")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_rooms() {
        let get = |path| room(&Method::GET, path);
        assert_eq!(get("/"), Ok(Room::Page));
        assert_eq!(get("/api/v1/keys/a%2Fb%3A"), Ok(Room::Read(Read::Key("a/b:".to_owned()))));
        assert_eq!(get("/api/v1/alerts/01/ack"), Err(NoRoom::Method("POST")));
        assert_eq!(room(&Method::POST, "/api/v1/alerts/01/ack"), Ok(Room::Act(Act::Ack("01".to_owned()))));
        assert_eq!(room(&Method::POST, "/api/v1/silences"), Ok(Room::Act(Act::Silence)));
        assert_eq!(get("/api/v1/silences"), Ok(Room::Read(Read::Silences)));
        assert_eq!(room(&Method::POST, "/metrics"), Err(NoRoom::Method("GET, HEAD")));
        assert_eq!(room(&Method::DELETE, "/api/v1/silences"), Err(NoRoom::Method("GET, HEAD")));
        for nowhere in
            ["", "//", "/index.html", "/api/v1/", "/api/v1/keys/", "/api/v2/keys", "/api/v1/keys/a/b", "/../x"]
        {
            assert_eq!(get(nowhere), Err(NoRoom::NotFound), "{nowhere}");
        }
    }
}
