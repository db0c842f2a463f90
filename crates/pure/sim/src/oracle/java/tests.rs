use std::time::Duration;

use ramson_leaks::watch_thread;

use crate::run::Run;
use crate::scenario::{Pages, Scenario};

/// A judge who sees nothing has nothing to say either.
#[test]
fn everything_comes_before_the_judge() {
    let mut scenario = Scenario { routers: 12, floodfills: 4, duration_secs: 60, ..Scenario::default() };
    scenario.load.pages = Some(Pages { sites: 2, visitors: 4, from_secs: 20, every_secs: 5, ..Pages::default() });
    let mut run = watch_thread().over(Run::new(&scenario, 1));
    run.run_to(Duration::from_secs(60));
    let (looked_at, violations) = run.world.judged();
    for what in [
        "router infos",
        "requests",
        "requests out of tunnels",
        "look-ups",
        "stores",
        "garlic to routers",
        "new sessions",
        "replies",
        "sessions",
        "packets",
    ] {
        assert!(looked_at.get(what).is_some_and(|count| *count >= 4), "{what}: {looked_at:?}");
    }
    assert_eq!(violations, []);
}
