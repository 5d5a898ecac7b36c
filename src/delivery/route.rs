//! Who gets an alert.

use super::config::RouteConfig;
use crate::alert::{Alert, Status};
use crate::store::{OutboxRow, Silence};
use crate::units::Timestamp;

/// The routes of the configuration, ready to use.
#[derive(Clone, Debug, Default)]
pub struct Router {
    routes: Vec<RouteConfig>,
}

impl Router {
    /// A router over `routes`; without any, all of `receivers` get everything.
    pub fn new<'a>(routes: &[RouteConfig], receivers: impl IntoIterator<Item = &'a str>) -> Self {
        if !routes.is_empty() {
            return Self { routes: routes.to_vec() };
        }
        let receivers = receivers.into_iter().map(str::to_owned).collect();
        Self { routes: vec![RouteConfig { receivers, resolved: true, ..RouteConfig::default() }] }
    }

    /// One message for each receiver that wants to know, in the order of the routes.
    pub fn rows(&self, alert: &Alert) -> Vec<OutboxRow> {
        let mut rows: Vec<OutboxRow> = Vec::new();
        for name in self.routes.iter().filter(|r| fits(r, alert)).flat_map(|r| &r.receivers) {
            if rows.iter().all(|row| row.receiver != *name) {
                rows.push(OutboxRow { receiver: name.clone(), alert: alert.clone() });
            }
        }
        rows
    }

    /// As [`Router::rows`], but nobody is told of the beginning of an alert that one of `silences` covers at `now`.
    pub fn rows_unless_silenced(&self, alert: &Alert, silences: &[Silence], now: Timestamp) -> Vec<OutboxRow> {
        let quiet = alert.status == Status::Firing && silences.iter().any(|s| s.covers(alert, now));
        if quiet { Vec::new() } else { self.rows(alert) }
    }
}

fn fits(route: &RouteConfig, alert: &Alert) -> bool {
    let group = alert.key.as_ref().and_then(|k| k.group.as_ref());
    (route.urgency.is_empty() || route.urgency.contains(&alert.urgency))
        && (route.kinds.is_empty() || route.kinds.contains(&alert.kind))
        && (route.key_groups.is_empty() || group.is_some_and(|g| route.key_groups.contains(g)))
        && (route.resolved || alert.status == Status::Firing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Urgency;
    use crate::delivery::sample::alert;

    fn names(router: &Router, alert: &Alert) -> Vec<String> {
        router.rows(alert).into_iter().map(|r| r.receiver).collect()
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
    fn a_silence_keeps_quiet_while_it_lasts_and_never_hides_an_end() {
        let (mut a, router) = (alert(), Router::new(&[], ["ops"]));
        let at = |s: i64| Timestamp::from_secs(1_777_636_800 + s);
        let silence = |text: &[&str]| Silence {
            id: "1".to_owned(),
            matchers: text.iter().map(|t| t.parse().unwrap()).collect(),
            starts_at: at(0),
            ends_at: at(60),
            author: "ada".to_owned(),
            comment: "load test".to_owned(),
        };
        let rows = |a: &Alert, text: &[&str], s| router.rows_unless_silenced(a, &[silence(text)], at(s)).len();
        assert_eq!(rows(&a, &["key=billing-*", "kind=volume_spike"], 59), 0);
        assert_eq!(rows(&a, &["key=billing-*", "kind=volume_spike"], 60), 1);
        assert_eq!(rows(&a, &["key=billing-*", "kind=new_ip"], 30), 1);
        assert_eq!(rows(&a, &["group=prod"], 30) + rows(&a, &["key=01k7q2m9xw3ht6"], 30), 0);
        assert_eq!(rows(&a, &[], 30), 1);
        a.status = Status::Resolved;
        assert_eq!(rows(&a, &["group=prod"], 30), 1);
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
