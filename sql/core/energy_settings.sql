-- How energy above idle is reckoned where a run does not say it itself: one row, changed here.
CREATE OR REPLACE TABLE main.energy_settings (
    baseline_max_age_h DOUBLE NOT NULL -- an idle baseline measured longer before a live run is not used; imported runs keep theirs
);

INSERT INTO main.energy_settings BY NAME
SELECT 24.0 AS baseline_max_age_h;
