use super::super::Between;
use super::*;

const FILE: &str = "some/where.toml";

fn parse(text: &str) -> Scenario {
    Scenario::from_toml(text, FILE).unwrap()
}

fn refused(text: &str, wanted: &[&str]) {
    let message = Scenario::from_toml(text, FILE).unwrap_err().to_string();
    assert!(message.starts_with("some/where.toml: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
    for part in wanted {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(""), Scenario { name: "where".to_owned(), ..Scenario::default() });
    Scenario::default().check().unwrap();
}

#[test]
fn every_key_is_read() {
    let scenario = parse(include_str!("all.toml"));
    assert_eq!(scenario.links.latency_ms, Between { least: 200, most: 201 });
    assert_eq!(scenario.clocks.skew_ms, Between { least: -2, most: 3 });
    assert_eq!(scenario.load.bulk.as_ref().map(|bulk| bulk.streams), Some(7));
    assert_eq!(scenario.load.short_lived.as_ref().map(|load| load.life_secs), Some(61));
    let mut kinds: Vec<_> = scenario.faults.iter().map(Fault::kind).collect();
    kinds.dedup();
    assert_eq!(kinds, Fault::KINDS);
    assert_eq!(scenario.expect.memory_per_router_bytes, Some(123));
    // What a line says counts: without it the scenario is another one, or none.
    for line in include_str!("all.toml").lines().filter(|line| line.contains(" = ")) {
        let without = include_str!("all.toml").replacen(&format!("{line}\n"), "", 1);
        assert!(!Scenario::from_toml(&without, FILE).is_ok_and(|other| other == scenario), "{line} does nothing");
    }
}

#[test]
fn a_table_of_a_load_is_enough() {
    assert!(parse("[load.pages]\n").load.pages.is_some());
    assert!(parse("").load.pages.is_none());
}

#[test]
fn what_is_not_toml_is_named_by_line() {
    refused("routers = 20\nabout = \n", &["line 2"]);
    refused("routers = 20\nrouters = 21\n", &["line 2", "duplicate"]);
}

#[test]
fn keys_that_there_are_not_are_named_with_those_that_there_are() {
    refused("router = 3\n", &["router", "`routers`", "top level"]);
    refused("[links]\nlos-permille = 3\n", &["links", "los-permille", "`loss-permille`"]);
    refused("[load.pages]\nsite = 3\n", &["load.pages", "site", "`sites`"]);
    refused(
        "[[faults]]\nkind = \"partition\"\nfrom-secs = 1\nto-secs = 2\nby-ms = 3\n",
        &["faults[1]", "partition", "by-ms", "share-permille"],
    );
}

#[test]
fn other_types_are_named() {
    refused("routers = \"many\"\n", &["routers", "many"]);
    refused("routers = -1\n", &["routers", "-1"]);
    refused("[links]\nloss-permille = 0.5\n", &["links.loss-permille", "0.5"]);
    refused("[links]\nlatency-ms = 200\n", &["links.latency-ms", "200", "array"]);
    refused("[links]\nlatency-ms = [1, 2, 3]\n", &["links.latency-ms", "array"]);
    refused("[[faults]]\nkind = \"crash\"\nat-secs = true\n", &["faults[1] (crash).at-secs", "bool"]);
    refused("faults = 3\n", &["faults", "sequence"]);
}

#[test]
fn faults_have_a_kind_and_times() {
    refused("[[faults]]\nfrom-secs = 1\n", &["faults[1].kind", "missing", "churn", "flood"]);
    refused("[[faults]]\nkind = \"rain\"\n", &["faults[1].kind", "rain", "churn", "flood"]);
    refused("[[faults]]\nkind = 3\n", &["faults[1].kind", "integer", "churn"]);
    refused("[[faults]]\nkind = \"churn\"\nto-secs = 9\n", &["faults[1] (churn)", "from-secs"]);
}

#[test]
fn values_that_make_no_sense_are_named_with_those_that_do() {
    for (text, wanted) in [
        ("routers = 0\n", &["routers: is 0", "1 to"][..]),
        ("routers = 4\nfloodfills = 5\n", &["floodfills: is 5", "1 to 4"]),
        ("short-routers = 21\n", &["short-routers: is 21", "1 to 20"]),
        ("short-duration-secs = 601\n", &["short-duration-secs", "1 to 600"]),
        ("sample-secs = 0\n", &["sample-secs: is 0", "1 to 600"]),
        ("addresses-per-subnet = 0\n", &["addresses-per-subnet"]),
        ("[links]\nlatency-ms = [3, 2]\n", &["links.latency-ms: is [3, 2]", "smaller one first"]),
        ("[links]\nloss-permille = 1001\n", &["links.loss-permille: is 1001", "0 to 500"]),
        ("[links]\nrate-kbytes-per-sec = [0, 2]\n", &["links.rate-kbytes-per-sec", "[0, 2]"]),
        ("[links]\nmtu = 500\n", &["links.mtu", "1280 to"]),
        ("[clocks]\nskew-ms = [1, -1]\n", &["clocks.skew-ms: is [1, -1]"]),
        ("[load.pages]\nsites = 0\n", &["load.pages.sites: is 0"]),
        ("[load.pages]\nfrom-secs = 700\n", &["load.pages.from-secs: is 700", "0 to 600"]),
        ("[load.bulk]\nbytes = 0\n", &["load.bulk.bytes"]),
        ("[load.short-lived]\nevery-secs = 0\n", &["load.short-lived.every-secs"]),
        ("[[faults]]\nkind = \"churn\"\nfrom-secs = 9\nto-secs = 9\n", &["faults[1] (churn).from-secs: is 9", "0 to 8"]),
        ("[[faults]]\nkind = \"churn\"\nfrom-secs = 9\nto-secs = 900\n", &["faults[1] (churn).to-secs: is 900", "1 to 600"]),
        ("[[faults]]\nkind = \"crash\"\nat-secs = 590\n", &["faults[1] (crash).down-secs: is 30", "0 to 10"]),
        ("[[faults]]\nkind = \"crash\"\nat-secs = 9\nrouters = 21\n", &["faults[1] (crash).routers: is 21", "1 to 20"]),
        (
            "[[faults]]\nkind = \"disk\"\nfrom-secs = 1\nto-secs = 2\ntorn-permille = 600\nlost-permille = 600\n",
            &["torn-permille + lost-permille", "1200", "0 to 1000"],
        ),
        (
            "[[faults]]\nkind = \"disk\"\nfrom-secs = 1\nto-secs = 31\ncrashes = 31\n",
            &["faults[1] (disk).crashes: is 31", "0 to 30"],
        ),
        ("[[faults]]\nkind = \"clock-jump\"\nat-secs = 601\nby-ms = 1\n", &["faults[1] (clock-jump).at-secs", "0 to 600"]),
        ("[expect]\nbuilds-permille = 1001\n", &["expect.builds-permille: is 1001", "0 to 1000"]),
        ("[expect]\nready-within-secs = 601\n", &["expect.ready-within-secs"]),
        ("[expect]\npages-permille = 1\n", &["expect.pages-permille", "[load.pages]"]),
        ("[load.pages]\n[expect]\npages-in-faults-permille = 1\n", &["expect.pages-in-faults-permille", "[[faults]]"]),
        ("[expect]\nbulk-kbytes-per-sec = 1\n", &["expect.bulk-kbytes-per-sec", "[load.bulk]"]),
        ("[expect]\nshort-lived-permille = 1\n", &["expect.short-lived-permille", "[load.short-lived]"]),
        ("[load.pages]\n[expect]\nreachable-again-within-secs = 1\n", &["reachable-again-within-secs", "[[faults]]"]),
    ] {
        refused(text, wanted);
    }
}

#[test]
fn the_second_fault_is_counted_as_the_second() {
    let good = "[[faults]]\nkind = \"clock-jump\"\nat-secs = 1\nby-ms = 1\n";
    refused(&format!("{good}[[faults]]\nkind = \"crash\"\nat-secs = 601\n"), &["faults[2] (crash).at-secs"]);
}

#[test]
fn the_short_form_keeps_proportions() {
    let scenario = parse(include_str!("all.toml"));
    let short = scenario.short();
    assert_eq!((short.routers, short.floodfills, short.duration_secs), (10, 3, 301));
    for (long, short) in scenario.faults.iter().zip(&short.faults) {
        let ((from, to), (short_from, short_to)) = (long.times(), short.times());
        assert_eq!(short_from, from / 2);
        assert!((to / 2..=to.div_ceil(2)).contains(&short_to) && short_to <= 301);
    }
    assert_eq!(short.expect.settle_secs, scenario.expect.settle_secs.div_ceil(2));
    assert_eq!(short.load.pages.as_ref().map(|pages| pages.from_secs), Some(31));
    short.check().unwrap();
    assert_eq!(Scenario::default().short(), Scenario::default());
}

const WITH_SHORT: &str = "duration-secs = 600\nshort-duration-secs = 60\nrouters = 20\nshort-routers = 10\n";

#[test]
fn what_ends_with_the_run_does_so_in_the_short_form() {
    for fault in
        ["kind = \"flood\"\nfrom-secs = 595\nto-secs = 600", "kind = \"crash\"\nrouters = 10\nat-secs = 595\ndown-secs = 5"]
    {
        let scenario = parse(&format!("{WITH_SHORT}[[faults]]\n{fault}\n"));
        assert_eq!(scenario.short().faults[0].times(), (59, 60));
    }
}

#[test]
fn a_short_form_that_makes_no_sense_is_refused() {
    let crash = format!("{WITH_SHORT}[[faults]]\nkind = \"crash\"\nat-secs = 5\nrouters = 11\n");
    refused(&crash, &["short form", "faults[1] (crash).routers", "is 11", "1 to 10"]);
    refused(&format!("sample-secs = 61\n{WITH_SHORT}"), &["short form", "sample-secs", "is 61", "1 to 60"]);
}

#[test]
fn another_number_of_routers_keeps_the_share_of_floodfills() {
    let floodfills = |routers| Scenario::default().with_routers(routers).floodfills;
    assert_eq!((floodfills(20), floodfills(40), floodfills(21), floodfills(1), floodfills(1_000)), (5, 10, 6, 1, 250));
}
