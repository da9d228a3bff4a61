//! The table itself, a file for each subject. A rule is a line there, however long, and so the files are not formatted.

#[rustfmt::skip]
mod bodies;
#[rustfmt::skip]
mod conditions;
#[rustfmt::skip]
mod connections;
#[rustfmt::skip]
mod deadlines;
#[rustfmt::skip]
mod grammar;
#[rustfmt::skip]
mod limits;
#[rustfmt::skip]
mod messages;
#[rustfmt::skip]
mod pages;
#[rustfmt::skip]
mod paths;
#[rustfmt::skip]
mod places;
#[rustfmt::skip]
mod ranges;
#[rustfmt::skip]
mod responses;

use super::{Case, Group, Setting};

/// All rules, in the order in which a server meets what they are about.
#[must_use]
pub fn groups() -> Vec<Group> {
    let group = |name, cases: Vec<Case>| Group { name, settings: &[], slow: false, cases };
    let special = |name, settings: &'static [Setting], cases| Group { name, settings, slow: false, cases };
    vec![
        group("methods", messages::methods()),
        group("versions", messages::versions()),
        group("hosts and targets", messages::hosts_and_targets()),
        group("grammar", grammar::rules()),
        group("limits", limits::as_they_are()),
        special("small limits", limits::SMALL, limits::set_small()),
        group("bodies", bodies::rules()),
        group("connections", connections::rules()),
        special("one request a connection", &[Setting::KeepAliveOff], connections::never_kept()),
        group("paths", paths::rules()),
        group("redirects", paths::redirects()),
        group("places", places::rules()),
        special("hidden names", &[Setting::Hidden], places::hidden_names()),
        group("responses", responses::rules()),
        group("preconditions", conditions::rules()),
        group("dates of preconditions", conditions::dates()),
        group("order of preconditions", conditions::order()),
        group("ranges", ranges::rules()),
        group("range sets", ranges::sets()),
        group("If-Range", ranges::if_range()),
        group("errors", pages::rules()),
        Group { name: "deadlines", settings: deadlines::SHORT, slow: true, cases: deadlines::rules() },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::groups;

    #[test]
    fn every_rule_has_a_section_and_a_name_of_its_own() {
        let groups = groups();
        let mut names = BTreeSet::new();
        for case in groups.iter().flat_map(|group| &group.cases) {
            assert!(names.insert(&case.rule), "two rules are called {:?}", case.rule);
            let rfc = case.section.split_once(" §").is_some_and(|(number, section)| {
                ["3986", "9110", "9112"].contains(&number) && section.starts_with(|digit: char| digit.is_ascii_digit())
            });
            assert!(rfc || case.section == "house", "{:?} is no section", case.section);
        }
        assert!(names.len() >= 300, "only {} rules", names.len());
    }
}
