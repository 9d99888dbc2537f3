"""The landing contract of cloud usage: CPU time by window, carbon intensity, workspaces, and who belongs to what.

What the columns mean stands here; `collectors/contract.py` lists these datasets among all others.
"""

from typing import Final

from collectors.dataset import TS, Dataset, I, R, T, optional, required

BUSY_MODES: Final = ("user", "system", "nice", "irq", "softirq", "steal")
IDLE_MODES: Final = ("idle", "iowait")
CPU_MODES: Final = (*BUSY_MODES, *IDLE_MODES)
"""The modes of Linux's CPU time that are told apart. Whether waiting for I/O is busy, the pipeline decides."""

NO_HOST: Final = "(no host)"
"""Stands for the host of CPU time whose source names none."""

SOURCE_SYSTEM = required("source_system", T, "What gave this: 'prometheus', 'uk-carbon-intensity', 'workspaces', …")
RECORDED_AT = required("recorded_at", TS, "When this was asked for; of several records of one key the newest counts")

CPU_USAGE = Dataset(
    "cpu_usage",
    "record",
    "CPU time of one host in one window [window_start, window_start + window_s), summed over its CPUs.",
    ("source_system", "host", "port", "cloud_project_name", "machine_name", "window_start", "window_s"),
    (
        SOURCE_SYSTEM,
        required("host", T, f"Host that was measured; '{NO_HOST}' where the source names none"),
        RECORDED_AT,
        optional("port", I, "Port that its exporter answers on"),
        optional("raw_label", T, "Label by which the source names the instance"),
        optional("cloud_project_name", T, "Cloud project, where the source says it"),
        optional("machine_name", T, "Machine type in a cloud, else the hostname, where the source says it"),
        optional("country_code", T, "ISO 3166 code of the grid that feeds it, where the source says it"),
        required("window_start", TS, "Start of the window"),
        required("window_s", I, "Length of the window"),
        *(optional(f"{mode}_s", R, f"CPU time in mode {mode}, seconds") for mode in CPU_MODES),
        optional("other_modes_json", T, "JSON of the CPU time in modes that are not known here, seconds"),
        optional("n_cpus", I, "CPUs that were seen in the window"),
        optional("n_resets", I, "Times that a counter began anew in the window"),
        optional("clock_offset_s", R, "How far the source's clock was ahead of the collector's"),
        optional("bad_values", T, "What the source gave in the place of a number: mode=value, …"),
    ),
    newest_wins=True,
)

CARBON_INTENSITY = Dataset(
    "carbon_intensity",
    "record",
    "Carbon intensity of a grid in one window [window_start, window_end), as forecast and as measured.",
    ("source_system", "region", "window_start"),
    (
        SOURCE_SYSTEM,
        RECORDED_AT,
        required("region", T, "Grid: an ISO 3166 country code"),
        required("window_start", TS, "Start of the window"),
        required("window_end", TS, "End of the window"),
        optional("forecast_gco2eq_kwh", R, "Forecast, g CO2e per kWh"),
        optional("actual_gco2eq_kwh", R, "As measured, g CO2e per kWh; NULL until it is known"),
        optional("intensity_index", T, "The source's word for it: low, moderate, …"),
    ),
    newest_wins=True,
)

WORKSPACES = Dataset(
    "workspaces",
    "record",
    "A workspace as its source shows it at one time: who holds it, and since when.",
    ("source_system", "workspace_id", "user_id", "acquired_at", "recorded_at"),
    (
        SOURCE_SYSTEM,
        RECORDED_AT,
        required("workspace_id", T, "The workspace's id in its source"),
        optional("workspace_name", T, "Its name"),
        optional("state", T, "READY, CLAIMED, … as the source writes it"),
        optional("user_id", T, "Its owner's stable external id"),
        optional("cloud_project_name", T, "Cloud project that it belongs to"),
        optional("machine_name", T, "Machine type that it runs on"),
        optional("host", T, "Host that it runs on"),
        optional("port", I, "Port that it answers on"),
        required("created_at", TS, "When it was created"),
        optional("acquired_at", TS, "When its owner got it; NULL: at its creation"),
        optional("deleted_at", TS, "When it was deleted"),
        optional("tags_json", T, "JSON of its tags"),
    ),
)

DIRECTORY_KINDS: Final = ("group", "user", "project", "machine", "user_project", "project_machine")

USAGE_DIRECTORY = Dataset(
    "usage_directory",
    "record",
    "One statement of what there is or who belongs to what: a group, user, project or machine, or a link of two.",
    ("source_system", "kind", "group_name", "user_id", "cloud_project_name", "machine_name", "valid_from"),
    (
        SOURCE_SYSTEM,
        RECORDED_AT,
        required("kind", T, f"What the statement is about: {', '.join(DIRECTORY_KINDS)}"),
        optional("group_name", T, "The group; of a user: the one that they are counted in"),
        optional("user_id", T, "The user's stable external id"),
        optional("display_name", T, "The user's name, for display only"),
        optional("groups_json", T, "JSON of all groups that the source lists for the user; group_name is the first"),
        optional("cloud_project_name", T, "The project"),
        optional("machine_name", T, "The machine"),
        optional("country_code", T, "Of a machine: ISO 3166 code of the grid that feeds it"),
        optional("busy_watts", R, "Of a machine: power of a busy CPU"),
        optional("idle_watts", R, "Of a machine: power of an idle CPU"),
        optional("valid_from", TS, "From when on it holds; NULL: from when it was recorded, the first one from ever"),
        optional("deleted_at", TS, "From when on it holds no more"),
    ),
    newest_wins=True,
)

USAGE_REJECTS = Dataset(
    "usage_rejects",
    "record",
    "Something that a source of usage gave and that could not be understood; kept here, counted as quarantined.",
    ("source_system", "dataset", "reason", "detail"),
    (
        SOURCE_SYSTEM,
        RECORDED_AT,
        required("dataset", T, "Dataset that it would have gone to"),
        required("reason", T, "What is wrong with it, and the remedy"),
        required("detail", T, "What was given, at most 4,000 characters"),
    ),
    newest_wins=True,
)

USAGE_DATASETS: Final = (CPU_USAGE, CARBON_INTENSITY, WORKSPACES, USAGE_DIRECTORY, USAGE_REJECTS)
