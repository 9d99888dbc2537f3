-- Everything that stands in the lineage: what was measured, made or collected, and the landing files that say so.
-- Kinds: landing_file (id: its path), hardware, environment, code (a git commit), baseline, dataset (name@digest),
-- experiment, run, model, model_version, benchmark_config, benchmark_result, artifact (a place).
-- Things of MLflow have the ids that they have there; of a further store, its experiments, models and versions stand behind
-- its schema and a slash. Runs of an RCDB store stand behind its schema and a colon, those
-- of serving benchmarks behind inference: their results are named by run, config and what was measured.
-- depends: lineage_things, lineage_results
-- unique: kind, id
CREATE OR REPLACE VIEW main.lineage_nodes AS
SELECT
    node, -- its number in this publication, by which the steps are walked: a hash of kind and id
    kind, -- what it is
    id, -- its id, unique in its kind
    label, -- how a person calls it
    system, -- where it is from: energy, ml, mlflow, rcdb, inference, landing
    began_at -- when it began, was made or was collected
FROM main.lineage_things
UNION ALL
SELECT node, 'benchmark_result', id, label, 'inference', began_at
FROM main.lineage_results;
