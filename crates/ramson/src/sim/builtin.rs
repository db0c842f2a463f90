//! Scenarios that come with the program.

macro_rules! scenarios {
    ($($name:literal),*) => {
        /// Names and texts.
        pub(super) const SCENARIOS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../scenarios/", $name, ".toml")))),*];
    };
}

scenarios!["calm", "lossy", "churn", "partition", "skew", "bad-disk", "bulk", "flood", "floods", "thousand"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ramson_sim::expect::judge;
    use ramson_sim::measure::Measures;
    use ramson_sim::scenario::Scenario;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut names: Vec<_> = SCENARIOS.iter().map(|(name, _)| format!("{name}.toml")).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
    }

    #[test]
    fn each_is_good_in_both_forms_and_expects_something() {
        for (name, text) in SCENARIOS {
            let scenario = Scenario::from_toml(text, &format!("{name}.toml")).unwrap();
            let short = scenario.short();
            short.check().unwrap();
            assert!(short.routers < scenario.routers && short.duration() < scenario.duration(), "{name}");
            assert!(judge(&short, &Measures::default()).len() > 5, "{name}");
            assert!(!scenario.about.is_empty(), "{name}");
        }
    }
}
