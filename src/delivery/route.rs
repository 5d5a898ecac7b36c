//! Who gets an alert.

use super::config::RouteConfig;
use crate::alert::{Alert, Status};
use crate::store::OutboxRow;

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
