//! The picture of `README.md`: `cargo run --example picture >docs/picture.svg` draws it again, and `tests/docs.rs` holds
//! the committed file against it and its lab against `hab plan`.

use std::fmt::Write as _;

/// The whole picture, in units that are pixels at its natural size.
const WIDTH: i32 = 960;
const HEIGHT: i32 = 716;

/// What each class looks like: property, value on a light background, value on a dark one.
const COLOURS: [(&str, &str, &str, &str); 16] = [
    ("page", "fill", "#f8fafc", "#0d1420"),
    ("page", "stroke", "#cbd5e1", "#334155"),
    ("panel", "fill", "#eef2f7", "#141d2b"),
    ("panel", "stroke", "#cbd5e1", "#334155"),
    ("card", "fill", "#ffffff", "#1e293b"),
    ("card", "stroke", "#94a3b8", "#64748b"),
    ("etcd", "fill", "#0f766e", "#0f857b"),
    ("master", "fill", "#1d4ed8", "#3b6fe0"),
    ("worker", "fill", "#b45309", "#b85d0a"),
    ("ink", "fill", "#0f172a", "#f1f5f9"),
    ("soft", "fill", "#475569", "#a9b8cc"),
    ("on", "fill", "#ffffff", "#ffffff"),
    ("arrow", "stroke", "#475569", "#a9b8cc"),
    ("tip", "fill", "#475569", "#a9b8cc"),
    ("to-etcd", "stroke", "#1d4ed8", "#7ea6ff"),
    ("to-master", "stroke", "#b45309", "#f5a04a"),
];

/// What needs no second colour.
const SHAPES: &str = "text { font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; font-size: 12px }
.big { font-size: 15px; font-weight: 700 }
.name { font-size: 13px; font-weight: 700 }
.code { font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
.mid { text-anchor: middle }
.arrow { fill: none; stroke-width: 1.6 }
.line { stroke-width: 1.2; stroke-opacity: 0.6 }
";

/// The nodes of one role.
struct Column {
    role: &'static str,
    title: &'static str,
    about: &'static str,
    /// Name and last part of the address.
    nodes: [(&'static str, u8); 3],
}

const LAB: [Column; 3] = [
    Column {
        role: "etcd",
        title: "etcd",
        about: "TLS, client certificates only",
        nodes: [("etcd-01", 11), ("etcd-02", 12), ("etcd-03", 13)],
    },
    Column {
        role: "master",
        title: "masters",
        about: "API server, controllers, scheduler",
        nodes: [("kube-master-01", 31), ("kube-master-02", 32), ("kube-master-03", 33)],
    },
    Column {
        role: "worker",
        title: "workers",
        about: "HAProxy to all masters; kubelet, pods",
        nodes: [("kube-worker-01", 101), ("kube-worker-02", 102), ("kube-worker-03", 103)],
    },
];

/// A rectangle.
#[derive(Clone, Copy)]
struct Area {
    x: i32,
    y: i32,
    w: i32,
    h: i32,
}

/// Where something is.
const fn at(x: i32, y: i32, w: i32, h: i32) -> Area {
    Area { x, y, w, h }
}

impl Area {
    fn middle(self) -> i32 {
        self.x + self.w / 2
    }

    fn centre(self) -> i32 {
        self.y + self.h / 2
    }

    fn right(self) -> i32 {
        self.x + self.w
    }

    fn bottom(self) -> i32 {
        self.y + self.h
    }
}

/// The drawing so far.
struct Drawing(String);

impl Drawing {
    fn add(&mut self, element: std::fmt::Arguments) {
        // Writing into memory can't fail.
        let _ = writeln!(self.0, "{element}");
    }

    fn rect(&mut self, class: &str, Area { x, y, w, h }: Area, round: i32) {
        self.add(format_args!(r#"<rect class="{class}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{round}"/>"#));
    }

    fn text(&mut self, class: &str, x: i32, y: i32, words: &str) {
        self.add(format_args!(r#"<text class="{class}" x="{x}" y="{y}">{words}</text>"#));
    }

    /// A card with a name and lines below it, all in its middle.
    fn card(&mut self, area: Area, name: &str, lines: &[&str]) {
        self.rect("card", area, 8);
        let count = i32::try_from(lines.len()).unwrap_or_default();
        let first = area.centre() + 5 - count * 8;
        self.text("name ink mid", area.middle(), first, name);
        for (line, number) in lines.iter().zip(1..) {
            self.text("soft mid", area.middle(), first + 1 + 16 * number, line);
        }
    }

    /// The coloured left part of a card, `width` wide.
    fn edge(&mut self, role: &str, Area { x, y, h, .. }: Area, width: i32) {
        let (inner, bottom) = (h - 16, y + h);
        self.add(format_args!(
            r#"<path class="{role}" d="M{} {y} H{} V{bottom} H{} a8 8 0 0 1 -8 -8 v-{inner} a8 8 0 0 1 8 -8z"/>"#,
            x + 8,
            x + width,
            x + 8
        ));
    }

    /// A filled label in the colour of a role.
    fn chip(&mut self, role: &str, area: Area, words: &str) {
        self.rect(role, area, 5);
        self.text("on mid", area.middle(), area.centre() + 4, words);
    }

    /// An arrow along these points, as SVG's path says them.
    fn arrow(&mut self, path: &str) {
        self.add(format_args!(r#"<path class="arrow" d="{path}" marker-end="url(#tip)"/>"#));
    }

    fn across(&mut self, from: Area, to: Area, y: i32) {
        self.arrow(&format!("M{} {y} H{}", from.right() + 2, to.x - 3));
    }

    fn line(&mut self, class: &str, from: (i32, i32), to: (i32, i32)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(r#"<line class="line {class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }
}

/// The style sheet: light, and dark where the reader's screen is.
fn style() -> String {
    let rules = |value: fn(&(&str, &str, &'static str, &'static str)) -> &'static str| {
        COLOURS.iter().fold(String::new(), |mut rules, colour| {
            let _ = writeln!(rules, ".{} {{ {}: {} }}", colour.0, colour.1, value(colour));
            rules
        })
    };
    format!("{SHAPES}{}@media (prefers-color-scheme: dark) {{\n{}}}\n", rules(|c| c.2), rules(|c| c.3))
}

/// The picture as SVG.
#[must_use]
pub fn svg() -> String {
    let about = "The chain: hab.yaml, plan, hab.lock, hab build (base disk and payload disks, boot test, a box for each \
                 role) and hab render (an Ignition config for each node), vagrant up. The lab: three etcd nodes, three \
                 masters, three workers, each worker with HAProxy in front of all masters.";
    let mut drawing = Drawing(String::new());
    drawing.add(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">
<title>hab: from one file to a cluster</title>
<desc>{about}</desc>
<style>
{}</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>"#,
        style()
    ));
    drawing.rect("page", at(1, 1, WIDTH - 2, HEIGHT - 2), 14);
    chain(&mut drawing);
    lab(&mut drawing);
    drawing.add(format_args!("</svg>"));
    drawing.0
}

/// The upper half: from the file to the machines.
fn chain(drawing: &mut Drawing) {
    let yaml = at(28, 96, 108, 72);
    let plan = at(162, 96, 108, 72);
    let lock = at(296, 96, 108, 72);
    let build = at(430, 40, 370, 164);
    let render = at(430, 222, 370, 100);
    let up = at(826, 40, 106, 282);

    drawing.text("big ink", 28, 46, "The chain");
    drawing.card(yaml, "hab.yaml", &["what the lab is", "yours, in git"]);
    drawing.card(plan, "plan", &["every name,", "every address"]);
    drawing.card(lock, "hab.lock", &["every input", "pinned by hash"]);
    for (input, command) in [(yaml, "hab check"), (plan, "hab plan"), (lock, "hab lock")] {
        drawing.text("name ink code mid", input.middle(), input.y - 10, command);
    }
    drawing.rect("panel", build, 10);
    drawing.rect("panel", render, 10);
    drawing.rect("panel", up, 10);
    drawing.across(yaml, plan, yaml.centre());
    drawing.across(plan, lock, yaml.centre());
    drawing.across(lock, build, yaml.centre());
    drawing.across(build, up, yaml.centre());
    drawing.across(render, up, 284);
    drawing.arrow(&format!("M{} {} V284 H{}", plan.middle(), plan.bottom() + 2, render.x - 3));

    drawing.text("name ink code", build.x + 14, build.y + 23, "hab build");
    let base = at(444, 74, 112, 52);
    let payload = at(444, 138, 112, 52);
    let boot = at(580, 74, 96, 116);
    drawing.card(base, "base disk", &["Debian, Ignition"]);
    drawing.rect("card", payload, 8);
    drawing.text("name ink mid", payload.middle(), payload.y + 20, "payload disks");
    drawing.card(boot, "boot test", &["packer boots", "both disks,", "the guest", "checks itself"]);
    drawing.across(base, boot, base.centre());
    drawing.across(payload, boot, payload.centre());
    for (Column { role, .. }, row) in LAB.iter().zip(0..) {
        drawing.rect(role, at(payload.x + 10 + 32 * row, payload.y + 30, 28, 12), 4);
        let boxed = at(700, 74 + 42 * row, 86, 32);
        drawing.chip(role, boxed, &format!("{role}.box"));
        drawing.across(boot, boxed, boxed.centre());
    }

    drawing.text("name ink code", render.x + 14, render.y + 23, "hab render");
    let keys = at(444, 258, 112, 52);
    let files = at(580, 258, 96, 52);
    let config = at(700, 258, 86, 52);
    drawing.card(keys, "certificates", &["private/, 3 CAs"]);
    drawing.card(files, "node files", &["templates"]);
    drawing.card(config, "Ignition", &["one a node"]);
    drawing.across(keys, files, 284);
    drawing.across(files, config, 284);

    drawing.text("name ink code mid", up.middle(), 152, "vagrant up");
    for (line, y) in [("starts each", 176), ("box with the", 192), ("node's Ignition,", 208), ("waits until", 232)] {
        drawing.text("soft mid", up.middle(), y, line);
    }
    drawing.text("soft mid", up.middle(), 248, "all is Ready");
    drawing.text("soft", 28, 306, "Same inputs, same bytes. No network after hab fetch.");
    drawing.arrow(&format!("M{} {} V349", up.middle(), up.bottom() + 2));
}

/// The lower half: the machines and who asks whom.
fn lab(drawing: &mut Drawing) {
    let panel = at(28, 352, 904, 340);
    drawing.rect("panel", panel, 10);
    drawing.text("big ink", 46, 382, "The lab");
    drawing.text(
        "soft",
        114,
        382,
        "one private network with no way out; no SSH: Ignition configures a node on its first boot",
    );

    let columns = [at(46, 432, 180, 54), at(366, 432, 200, 54), at(690, 432, 224, 54)];
    let row = |column: Area, row: i32| Area { y: column.y + 66 * row, ..column };
    for (class, [left, right]) in [("to-etcd", [columns[0], columns[1]]), ("to-master", [columns[1], columns[2]])] {
        for (from, to) in (0..9).map(|n| (row(right, n / 3), row(left, n % 3))) {
            drawing.line(class, (from.x, from.centre()), (to.right(), to.centre()));
        }
    }
    for (Column { role, title, about, nodes }, column) in LAB.iter().zip(columns) {
        drawing.text("name ink", column.x, 408, title);
        drawing.text("soft", column.x, 424, about);
        for ((name, address), number) in nodes.iter().zip(0..) {
            let card = row(column, number);
            drawing.rect("card", card, 8);
            let edge = if *role == "worker" { 72 } else { 8 };
            drawing.edge(role, card, edge);
            if *role == "worker" {
                drawing.text("on mid", card.x + edge / 2, card.centre() + 4, "HAProxy");
            }
            drawing.text("name ink", card.x + edge + 12, card.y + 23, name);
            drawing.text("soft code", card.x + edge + 12, card.y + 41, &format!("192.168.60.{address}"));
        }
    }
    let host = at(46, 644, 868, 34);
    drawing.rect("card", host, 8);
    drawing.text("name ink", 62, 666, "your machine");
    drawing.text("soft code", 166, 666, "192.168.60.1");
    drawing.text("soft", 282, 666, "kubectl, hab status and hab wait, by TLS with the lab's own certificates");
    for column in &columns[..2] {
        drawing.arrow(&format!("M{} {} V{}", column.middle(), host.y, row(*column, 2).bottom() + 3));
    }
}

fn main() {
    print!("{}", svg());
}
