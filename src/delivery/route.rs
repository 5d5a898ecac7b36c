//! Who gets an alert.

use std::collections::BTreeMap;

use super::clean;
use super::config::{ReceiverConfig, RouteConfig};
use crate::alert::{Alert, Calendar, CalendarConfig, Status};
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// The routes of the configuration, ready to use.
#[derive(Clone, Debug, Default)]
pub struct Router {
    routes: Vec<RouteConfig>,
    calendars: BTreeMap<String, Calendar>,
}

impl Router {
    /// A router over `routes`; without any, all of `receivers` get everything.
    pub fn new<'a>(routes: &[RouteConfig], receivers: impl IntoIterator<Item = &'a str>) -> Self {
        let calendars = BTreeMap::new();
        if !routes.is_empty() {
            return Self { routes: routes.to_vec(), calendars };
        }
        let receivers = receivers.into_iter().map(str::to_owned).collect();
        Self { routes: vec![RouteConfig { receivers, resolved: true, ..RouteConfig::default() }], calendars }
    }

    /// A router as configured. A program is run only where a route leads to it, never because there is no route.
    pub fn configured(
        routes: &[RouteConfig],
        receivers: &BTreeMap<String, ReceiverConfig>,
        calendars: &BTreeMap<String, CalendarConfig>,
    ) -> Self {
        let people = receivers.iter().filter(|(_, r)| !matches!(r, ReceiverConfig::Command(_)));
        let mut router = Self::new(routes, people.map(|(name, _)| name.as_str()));
        // Calendars that cannot be read are refused when the configuration is loaded.
        let ready = calendars.iter().filter_map(|(name, c)| Some((name.clone(), Calendar::new(c).ok()?)));
        router.calendars = ready.collect();
        router
    }

    /// Why `receiver` is told of nothing, when that is so.
    pub fn idle(&self, receiver: &str) -> Option<String> {
        let told = self.routes.iter().any(|r| r.receivers.iter().any(|name| name == receiver));
        let hint = format!("add [[routes]] with receivers = [\"{}\"]", clean::line(receiver, 60));
        (!told).then(|| format!("no route leads to it, so it is told of nothing; {hint}"))
    }

    /// One message for each receiver that wants to know, in the order of the routes.
    pub fn rows(&self, alert: &Alert, now: Timestamp) -> Vec<OutboxRow> {
        let mut rows: Vec<OutboxRow> = Vec::new();
        for name in self.routes.iter().filter(|r| self.fits(r, alert, now)).flat_map(|r| &r.receivers) {
            if rows.iter().all(|row| row.receiver != *name) {
                rows.push(OutboxRow { receiver: name.clone(), alert: alert.clone() });
            }
        }
        rows
    }

    fn fits(&self, route: &RouteConfig, alert: &Alert, now: Timestamp) -> bool {
        let group = alert.key.as_ref().and_then(|k| k.group.as_ref());
        (route.urgency.is_empty() || route.urgency.contains(&alert.urgency))
            && (route.kinds.is_empty() || route.kinds.contains(&alert.kind))
            && (route.key_groups.is_empty() || group.is_some_and(|g| route.key_groups.contains(g)))
            && (route.resolved || alert.status == Status::Firing)
            && self.in_time(route, alert, now)
    }

    /// Whether the hour is right. Whoever was told of the beginning hears of the end at any hour; the outbox sees to it
    /// that nobody else does. A calendar that is not known keeps nobody from being told.
    fn in_time(&self, route: &RouteConfig, alert: &Alert, now: Timestamp) -> bool {
        let open = |name: &Option<String>| name.as_ref().and_then(|n| self.calendars.get(n)).map(|c| c.is_open(now));
        alert.status == Status::Resolved || (open(&route.during) != Some(false) && open(&route.outside) != Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Urgency;
    use crate::delivery::sample::alert;

    fn names(router: &Router, alert: &Alert) -> Vec<String> {
        router.rows(alert, Timestamp(0)).into_iter().map(|r| r.receiver).collect()
    }

    fn route(receivers: &[&str], change: impl FnOnce(&mut RouteConfig)) -> RouteConfig {
        let receivers = receivers.iter().map(|r| (*r).to_owned()).collect();
        let mut route = RouteConfig { receivers, resolved: true, ..RouteConfig::default() };
        change(&mut route);
        route
    }

    #[test]
    fn without_routes_everybody_gets_everything() {
        let router = Router::new(&[], ["ops", "sec"]);
        assert_eq!(names(&router, &alert()), ["ops", "sec"]);
    }

    #[test]
    fn the_hour_chooses_who_is_told_of_the_beginning_and_never_of_the_end() {
        let office = "[office]\nzone = 'Europe/Berlin'\nhours = ['08:00-18:00']\nholidays = ['05-01']";
        let calendars: BTreeMap<String, CalendarConfig> = toml::from_str(office).unwrap();
        let routes = [
            route(&["desk"], |r| r.during = Some("office".to_owned())),
            route(&["pager"], |r| r.outside = Some("office".to_owned())),
            route(&["log"], |r| r.kinds = vec!["volume_spike".to_owned()]),
        ];
        let router = Router::configured(&routes, &BTreeMap::new(), &calendars);
        let mut a = alert();
        let told = |a: &Alert, at: &str| {
            let at: Timestamp = serde_json::from_value(at.into()).unwrap();
            router.rows(a, at).into_iter().map(|r| r.receiver).collect::<Vec<_>>()
        };
        assert_eq!(told(&a, "2026-05-04T07:00:00Z"), ["desk", "log"], "Monday at nine");
        assert_eq!(told(&a, "2026-05-04T16:00:00Z"), ["pager", "log"], "Monday at six");
        assert_eq!(told(&a, "2026-05-01T07:00:00Z"), ["pager", "log"], "a holiday");
        a.status = Status::Resolved;
        assert_eq!(told(&a, "2026-05-04T16:00:00Z"), ["desk", "pager", "log"]);
    }

    #[test]
    fn a_program_runs_only_where_a_route_leads() {
        let text =
            "[ops]\ntype = 'webhook'\nurl = 'http://127.0.0.1/'\n[revoke]\ntype = 'command'\nprogram = '/bin/true'";
        let receivers: BTreeMap<String, ReceiverConfig> = toml::from_str(text).unwrap();
        let router = Router::configured(&[], &receivers, &BTreeMap::new());
        assert_eq!(names(&router, &alert()), ["ops"]);
        assert!(router.idle("revoke").unwrap().contains("[[routes]]") && router.idle("ops").is_none());
        let routes = [route(&["revoke"], |r| r.kinds = vec!["volume_spike".to_owned()])];
        assert_eq!(names(&Router::configured(&routes, &receivers, &BTreeMap::new()), &alert()), ["revoke"]);
    }

    #[test]
    fn routes_choose_by_urgency_kind_and_group_and_nobody_is_told_twice() {
        let router = Router::new(
            &[
                route(&["pager", "ops"], |r| r.urgency = vec![Urgency::Page]),
                route(&["ops", "sec"], |r| r.kinds = vec!["volume_spike".to_owned()]),
                route(&["prod"], |r| r.key_groups = vec!["prod".to_owned()]),
                route(&["quiet"], |r| r.resolved = false),
            ],
            [],
        );
        let mut a = alert();
        assert_eq!(names(&router, &a), ["pager", "ops", "sec", "prod", "quiet"]);
        a.status = Status::Resolved;
        a.key = None;
        assert_eq!(names(&router, &a), ["pager", "ops", "sec"]);
        a.kind = "new_ip".to_owned();
        a.urgency = Urgency::Ticket;
        assert!(names(&router, &a).is_empty());
    }
}
