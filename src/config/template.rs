//! The `hab.yaml` a new lab begins with: every key, every default, and what it is for.

use ipnet::Ipv4Net;

use super::label::Label;
use super::merged::{NODES, newest};

const TEMPLATE: &str = include_str!("hab.yaml");

/// Stand in the template where the lab's name, the machines' network and the newest Kubernetes go.
const LAB: &str = "@LAB@";
const NETWORK: &str = "@NODES@";
const KUBERNETES: &str = "@KUBERNETES@";

/// The text of a new `hab.yaml`, with this network for the machines, or the default one.
#[must_use]
pub fn render(lab: &Label, nodes: Option<Ipv4Net>) -> String {
    let nodes = nodes.map_or_else(|| NODES.to_owned(), |nodes| nodes.to_string());
    TEMPLATE.replacen(LAB, lab.as_str(), 1).replacen(NETWORK, &nodes, 1).replacen(KUBERNETES, newest(), 1)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn the_template_says_what_an_almost_empty_file_means() {
        let lab = Label::new("1e3").unwrap();
        let told = read("hab.yaml", render(&lab, None).as_bytes(), &|_| Ok(()));
        let silent = read("hab.yaml", b"lab: \"1e3\"\n", &|_| Ok(()));
        assert_eq!(told.problems.to_string(), "");
        assert_eq!(told.config.as_ref().unwrap().lab, lab);
        assert_eq!(told.config, silent.config);
    }

    #[test]
    fn the_template_shows_every_key() {
        // With the examples switched on, too, there is nothing unknown in it and nothing left to say.
        let uncomment = |line: &str| match line.split_once("# ") {
            Some((indent, example)) if indent.len() >= 2 && indent.trim().is_empty() => format!("{indent}{example}\n"),
            _ => format!("{line}\n"),
        };
        let all: String = render(&Label::from_any("demo"), None).lines().map(uncomment).collect();
        let reading = read("hab.yaml", all.as_bytes(), &|_| Ok(()));
        assert_eq!(reading.problems.to_string(), "");
        let config = reading.config.unwrap();
        assert!(config.nodes.iter().all(|(_, machines)| machines.overrides.len() == 1));
        let snippets = config.ignition;
        assert!(snippets.common.is_some() && snippets.roles.iter().all(|(_, path)| path.is_some()));
    }
}
