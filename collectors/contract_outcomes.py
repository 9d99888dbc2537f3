"""The landing contract of what became of a run's queries, and of what researchers note about runs and experiments.

Only some sources have these: A-LEMS stores of a later version do. What the columns mean stands here;
`collectors/contract.py` lists these datasets among all others.
"""

from typing import Final

from collectors.dataset import RUN_KEY, SOURCE, TS, B, Dataset, I, R, T, optional, required

QUERY_EXECUTION = Dataset(
    "query_execution",
    "record",
    "A query that a run was to answer, and whether it did.",
    ("run_key", "source_exec_id"),
    (
        RUN_KEY,
        *SOURCE,
        required("source_exec_id", T, "The query's id in its source"),
        optional("goal_description", T, "What was asked"),
        optional("start_time", TS, "Start"),
        optional("end_time", TS, "End"),
        optional("success", B, "Whether it was answered; NULL: nobody said"),
        optional("num_attempts", I, "Attempts that it took"),
        optional("reported_total_energy_uj", I, "Energy that the source had written"),
        optional("created_at", TS, "When the source recorded it"),
    ),
    newest_wins=True,
)

QUERY_ATTEMPT = Dataset(
    "query_attempt",
    "record",
    "One attempt at a query.",
    ("run_key", "source_attempt_id"),
    (
        RUN_KEY,
        *SOURCE,
        required("source_attempt_id", T, "The attempt's id in its source"),
        required("source_exec_id", T, "The query's id in its source"),
        required("attempt_number", I, "Position among the query's attempts"),
        optional("status", T, "success, failure or retry"),
        optional("failure_type", T, "What went wrong"),
        optional("energy_uj", I, "Energy that the source had written"),
        optional("latency_ms", R, "How long it took"),
        optional("created_at", TS, "When the source recorded it"),
    ),
    newest_wins=True,
)

HALLUCINATION_EVENTS = Dataset(
    "hallucination_events",
    "record",
    "A judgement whether the answer of an attempt was made up.",
    ("run_key", "source_event_id"),
    (
        RUN_KEY,
        *SOURCE,
        required("source_event_id", T, "The judgement's id in its source"),
        required("source_attempt_id", T, "The attempt's id in its source"),
        optional("is_hallucination", B, "Whether it was made up"),
        optional("detection_method", T, "How that was found"),
        optional("confidence_score", R, "How sure the method is, as the source gives it"),
        optional("verified_answer", T, "The right answer, where it is known"),
        optional("created_at", TS, "When the source recorded it"),
    ),
    newest_wins=True,
)

TAGS = Dataset(
    "tags",
    "record",
    "A label that a researcher put on a run or an experiment.",
    ("source_system", "host", "source_tag_id"),
    (
        required("source_tag_id", T, "The tag's id in its source"),
        *SOURCE,
        optional("tagged_run_key", I, "The run, where one is tagged"),
        optional("tagged_exp_key", I, "The experiment, where one is tagged"),
        required("label", T, "The label"),
        optional("category", T, "Kind of label"),
        optional("note", T, "Free text"),
        optional("tagged_by", T, "Who"),
        optional("tagged_at", TS, "When"),
    ),
    newest_wins=True,
)

HYPOTHESES = Dataset(
    "hypotheses",
    "record",
    "A hypothesis that researchers hold against the runs.",
    ("source_system", "host", "source_hypothesis_id"),
    (
        required("source_hypothesis_id", T, "The hypothesis's id in its source"),
        *SOURCE,
        required("title", T, "The hypothesis"),
        optional("description", T, "Free text"),
        optional("status", T, "open, supported, … as the source writes it"),
        optional("evidence_for", T, "What speaks for it"),
        optional("evidence_against", T, "What speaks against it"),
        optional("evidence_run_key", I, "The run that tells most"),
        optional("evidence_exp_key", I, "The experiment that tells most"),
        optional("created_by", T, "Who"),
        optional("created_at", TS, "When it was put"),
        optional("updated_at", TS, "When it was last changed"),
    ),
    newest_wins=True,
)

OUTCOME_DATASETS: Final = (QUERY_EXECUTION, QUERY_ATTEMPT, HALLUCINATION_EVENTS, TAGS, HYPOTHESES)
