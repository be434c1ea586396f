//! What the tool says of itself.

use super::Stop;

/// Command, arguments, what it does.
const COMMANDS: &[(&str, &str, &str)] = &[
    (
        "add",
        "[r<region>]z<zone>-<ip>:<port>[R<r_ip>:<r_port>]/<device>_<meta> <weight> ...\n    or --region --zone --ip \
         --port --device --weight [--replication-ip] [--replication-port] [--meta]",
        "Adds devices. They get partitions at the next rebalance.",
    ),
    (
        "cancel_increase_partition_power",
        "",
        "Takes the announcement of a doubling back. Clean up with the relinker, then finish.",
    ),
    ("create", "<part_power> <replicas> <min_part_hours>", "Makes a builder of 2^<part_power> partitions."),
    (
        "dispersion",
        "[<regex>] [-v] [--recalculate]",
        "Shows how far replicas are apart; -v tier by tier, a regex picks tiers by name.",
    ),
    (
        "finish_increase_partition_power",
        "",
        "Ends a doubling once the relinker has cleaned up on all nodes. Write the ring afterwards.",
    ),
    (
        "increase_partition_power",
        "",
        "Doubles the partitions once the relinker has linked all data. Write the ring afterwards.",
    ),
    (
        "list_parts",
        "<search-value> ... or --id --region --zone --ip --port --device --meta --weight ...",
        "Lists the partitions on matching devices and how many replicas of each, most first.",
    ),
    (
        "prepare_increase_partition_power",
        "",
        "Announces a doubling of the partitions (object rings only). Write the ring, then run the relinker.",
    ),
    (
        "pretend_min_part_hours_passed",
        "",
        "Lets every partition move again at once. Replication may not have caught up: data can become unavailable.",
    ),
    (
        "rebalance",
        "[-f|--force] [-s|--seed SEED] [-d|--debug] [--format-version 1|2]",
        "Assigns partitions to devices, moving as few as possible, and writes ring and builder.",
    ),
    (
        "remove",
        "<search-value> ... or --id --region --zone --ip --port --device --meta --weight ... [--yes]",
        "Marks devices for removal. The next rebalance takes all off them; to empty one gently set its weight to 0.",
    ),
    (
        "search",
        "<search-value> or --id --region --zone --ip --port --device --meta --weight ...",
        "Shows matching devices.",
    ),
    (
        "set_info",
        "<search-value> [<ip>][:<port>][R[<r_ip>][:<r_port>]][/<device>][_<meta>] ... [--yes]\n    or --ip --port \
         ... with --change-ip --change-port --change-device --change-meta ...",
        "Changes what the ring says of devices. Nothing moves; write the ring afterwards.",
    ),
    ("set_min_part_hours", "<hours>", "Sets the hours before a partition may move again."),
    ("set_overload", "<overload>[%]", "Sets how far devices may exceed their weight for dispersion's sake."),
    (
        "set_region",
        "<search-value> <region> ... [--yes] or options and <region>",
        "Moves devices to a region.",
    ),
    (
        "set_replicas",
        "<replicas>",
        "Sets the number of replicas; with a fraction some partitions have one more.",
    ),
    (
        "set_weight",
        "<search-value> <weight> ... [--yes] or options and <weight>",
        "Sets the weight of devices.",
    ),
    ("set_zone", "<search-value> <zone> ... [--yes] or options and <zone>", "Moves devices to a zone."),
    ("validate", "", "Checks that every replica is on a device of its own."),
    ("version", "", "Shows the format and build version of a ring file."),
    (
        "write_builder",
        "[<min_part_hours>]",
        "Makes a lost builder again from a ring file; some of it is lost.",
    ),
    (
        "write_ring",
        "[--format-version 1|2] [--dev-id-bytes 2|4]",
        "Writes the ring file without a rebalance, as after set_info.",
    ),
];

const SEARCH_VALUE: &str = "<search-value>: d<id>r<region>z<zone>-<ip>:<port>R<r_ip>:<r_port>/<device>_<meta>
    Every part may be left out, but not all of them. IPv6 addresses go in brackets; meta matches any part of the
    text. Examples: d74, z1, z1-1.2.3.4, :5678, R5.6.7.8, /sdb1, _\"rack 7\", [::1]";

/// The help of one command.
pub(super) fn text(command: &str) -> String {
    let found = COMMANDS.iter().find(|(name, ..)| *name == command);
    found
        .map(|(name, arguments, what)| {
            format!("swift-ring-builder <builder_file> {name} {arguments}").trim_end().to_owned()
                + "\n    "
                + what
        })
        .unwrap_or_default()
}

/// Stops with the help of a command: its arguments are not what it takes.
pub(super) fn of(command: &str) -> Stop {
    Stop::Refused(text(command))
}

/// The same for a command that searches.
pub(super) fn with_search_value(command: &str) -> Stop {
    Stop::Refused(format!("{}\n\n{SEARCH_VALUE}", text(command)))
}

/// Everything.
pub(super) fn all() -> String {
    let mut help =
        "swift-ring-builder 1.3\n\nswift-ring-builder <builder_file>\n    Shows the ring and its devices; \
                    flag DEL: leaves with the next rebalance.\n"
            .to_owned();
    for (command, ..) in COMMANDS {
        help += &format!("\n{}\n", text(command));
    }
    let mut lines = vec!["Quick list:".to_owned()];
    for (command, ..) in COMMANDS {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + command.len() <= 79 => *line += &format!(" {command}"),
            _ => lines.push(format!("            {command}")),
        }
    }
    help += &format!("\n{SEARCH_VALUE}\n\n{}\n", lines.join("\n"));
    help + "Exit codes: 0 = operation successful\n            1 = operation completed with warnings\n            2 = error"
}
