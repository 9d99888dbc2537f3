-- What was said of a condition of a run where it had to be weighed: by hand or by a measured program, more than once by the
-- store, of no known run, or by a row that the store has no more. In the order of being said, with what became of it.
-- depends: stage.rcdb_conditions, stage.rcdb_removed, stage.rcdb_condition_types, stage.written_conditions, stage.run_conditions, rcdb.runs, rcdb.condition_types
CREATE OR REPLACE TABLE rcdb.condition_statements (
    run_number BIGINT NOT NULL, -- run
    name VARCHAR NOT NULL, -- name of the condition
    condition_type_id BIGINT, -- condition type; NULL where none has this name
    source VARCHAR NOT NULL, -- who said it: store, hand or program
    store_type_id BIGINT, -- the type's id in the store, which may have given it to another type since
    condition_id BIGINT, -- the row's id in the store
    text_value VARCHAR, -- value of a string, json or blob
    int_value BIGINT, -- value of an int
    float_value DOUBLE, -- value of a float
    bool_value BOOLEAN, -- value of a bool
    time_value TIMESTAMPTZ, -- value of a time
    created TIMESTAMPTZ, -- when the value was written
    recorded_at TIMESTAMPTZ NOT NULL, -- when the collector dropped it
    outcome VARCHAR NOT NULL, -- current, replaced, removed, duplicate, same or refused
    replaced_at TIMESTAMPTZ, -- when the pipeline was told of what came in its place, or that it is gone
    reason VARCHAR -- why it was refused, and the remedy
);

INSERT INTO rcdb.condition_statements BY NAME
WITH RECURSIVE all_types AS (
    SELECT landed.*, types.id AS condition_type_id, landed.value_type = types.value_type AS has_its_type
    FROM stage.rcdb_condition_types AS landed
    LEFT JOIN rcdb.condition_types AS types ON types.name = landed.name
    WHERE landed.schema_name = {store} AND landed.source_system = 'rcdb'
),
store_types AS (
    SELECT type_id, name, condition_type_id, has_its_type
    FROM all_types
    QUALIFY row_number() OVER (PARTITION BY type_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
imported AS NOT MATERIALIZED (
    SELECT conditions.*, store_types.name, store_types.condition_type_id AS type_here, store_types.has_its_type
    FROM stage.rcdb_conditions AS conditions
    LEFT JOIN store_types ON store_types.type_id = conditions.condition_type_id
    WHERE conditions.schema_name = {store}
),
removed AS (
    SELECT row_id AS condition_id, run_number, condition_type_id, recorded_at
    FROM stage.rcdb_removed
    WHERE schema_name = {store} AND table_name = 'conditions'
),
said AS (
    SELECT
        run_number, name, value_type, 'hand' AS source, text_value, int_value, float_value, bool_value, time_value,
        recorded_at, replaces
    FROM stage.written_conditions
    WHERE schema_name = {store}
    UNION ALL BY NAME
    SELECT
        run_id AS run_number, name, value_type, 'program' AS source, text_value, int_value, float_value, bool_value,
        recorded_at, TRUE AS replaces
    FROM stage.run_conditions
    WHERE {store} = 'rcdb'
),
contested AS (
    SELECT run_number, type_here
    FROM imported
    GROUP BY run_number, type_here
    HAVING count(*) > 1
    UNION
    SELECT said.run_number, types.id
    FROM said
    JOIN rcdb.condition_types AS types ON types.name = said.name
    UNION
    SELECT imported.run_number, imported.type_here
    FROM imported
    ANTI JOIN rcdb.runs AS runs ON runs.number = imported.run_number
    UNION
    SELECT run_number, type_here
    FROM imported
    WHERE NOT coalesce(has_its_type AND condition_type_id = type_here, FALSE)
    UNION
    SELECT imported.run_number, imported.type_here
    FROM imported
    SEMI JOIN removed
        ON removed.condition_id = imported.condition_id
        AND removed.run_number = imported.run_number
        AND removed.condition_type_id = imported.condition_type_id
),
-- The versions of a store's row, and when it was found to be gone.
versions AS (
    SELECT
        imported.*,
        (imported.text_value, imported.int_value, imported.float_value, imported.bool_value, imported.time_value) AS value,
        removed.recorded_at AS removed_at,
        row_number() OVER same_row = 1 AS is_first,
        value IS NOT DISTINCT FROM lag(value) OVER same_row AS is_repeat
    FROM imported
    JOIN contested
        ON contested.run_number = imported.run_number
        AND contested.type_here IS NOT DISTINCT FROM imported.type_here
    ASOF LEFT JOIN removed
        ON removed.condition_id = imported.condition_id
        AND removed.run_number = imported.run_number
        AND removed.condition_type_id = imported.condition_type_id
        AND removed.recorded_at > imported.recorded_at
    WINDOW same_row AS (
        PARTITION BY imported.condition_id, imported.run_number, imported.type_here, removed.recorded_at
        ORDER BY imported.recorded_at
    )
),
-- Those that say something new.
news AS (
    SELECT
        versions.*,
        lead(recorded_at) OVER (
            PARTITION BY condition_id, run_number, type_here, removed_at
            ORDER BY recorded_at
        ) AS next_version_at,
        coalesce(next_version_at, removed_at) AS ended_at
    FROM versions
    WHERE NOT is_repeat
),
-- A store may rename a type, or give the id of one that was deleted to another. What holds goes by the name that its type
-- has now; what ended, by the name that its type had until then: where that is another name, it is gone from this one.
named AS (
    SELECT
        * REPLACE (
            CASE WHEN is_gone THEN name_then ELSE name END AS name,
            CASE WHEN is_gone THEN ended_at END AS removed_at
        ),
        CASE WHEN is_gone THEN type_then ELSE type_here END AS type_said
    FROM (
        SELECT
            news.*,
            until_then.name AS name_then,
            until_then.condition_type_id AS type_then,
            news.removed_at IS NOT NULL
            OR (news.ended_at IS NOT NULL AND until_then.name IS DISTINCT FROM news.name) AS is_gone
        FROM news
        ASOF LEFT JOIN all_types AS until_then
            ON until_then.type_id = news.condition_type_id
            AND until_then.recorded_at < news.ended_at
    )
),
-- A store may have several rows of one run and type: the one written last counts.
winners AS (
    SELECT run_number, type_here, arg_max(condition_id, (coalesce(created, '-infinity'), condition_id)) AS condition_id
    FROM named
    WHERE removed_at IS NULL
    GROUP BY run_number, type_here
),
by_store AS (
    SELECT
        named.run_number,
        coalesce(named.name, 'type ' || named.condition_type_id) AS name,
        named.type_said AS condition_type_id,
        'store' AS source,
        named.condition_type_id AS store_type_id,
        named.condition_id,
        named.text_value, named.int_value, named.float_value, named.bool_value, named.time_value,
        named.created,
        named.recorded_at,
        TRUE AS replaces,
        coalesce(named.condition_id <> winners.condition_id, FALSE) AS is_duplicate,
        named.removed_at,
        named.next_version_at,
        -- A row that never had a value takes the place of none.
        NOT named.is_first AS may_clear,
        CASE
            WHEN named.type_here IS NULL
                THEN 'the store removed its condition type, or it was not taken; see what was quarantined of rcdb_condition_types'
            WHEN NOT named.has_its_type
                THEN 'the store has two types of this name, and this one is of another value type; rename it there'
        END AS problem
    FROM named
    LEFT JOIN winners
        ON winners.run_number = named.run_number
        AND winners.type_here IS NOT DISTINCT FROM named.type_here
),
-- A value as the condition's type has it; NULL where that would lose anything.
fitted AS (
    SELECT
        said.run_number,
        said.name,
        types.id AS condition_type_id,
        said.source,
        NULL::BIGINT AS store_type_id,
        NULL::BIGINT AS condition_id,
        CASE
            WHEN types.value_type IN ('string', 'blob') THEN said.text_value
            WHEN types.value_type = 'json' AND json_valid(said.text_value) THEN said.text_value
        END AS text_value,
        CASE
            WHEN types.value_type <> 'int' THEN NULL
            WHEN said.value_type = 'int' THEN said.int_value
            WHEN said.float_value = trunc(said.float_value) THEN try_cast(said.float_value AS BIGINT)
        END AS int_value,
        CASE
            WHEN types.value_type <> 'float' THEN NULL
            WHEN said.value_type = 'float' THEN said.float_value
            WHEN said.int_value = said.int_value::DOUBLE::HUGEINT THEN said.int_value::DOUBLE
        END AS float_value,
        CASE
            WHEN types.value_type <> 'bool' THEN NULL
            WHEN said.value_type = 'bool' THEN said.bool_value
            WHEN lower(said.text_value) IN ('true', 'false') THEN lower(said.text_value) = 'true'
        END AS bool_value,
        CASE
            WHEN types.value_type <> 'time' THEN NULL
            WHEN said.value_type = 'time' THEN said.time_value
            -- As of times that land as such: Python has none beyond its years, and infinity is no time of a run.
            WHEN
                try_cast(said.text_value AS TIMESTAMPTZ)
                BETWEEN TIMESTAMPTZ '1970-01-01 00:00:00+00' AND TIMESTAMPTZ '2262-01-01 00:00:00+00'
                THEN try_cast(said.text_value AS TIMESTAMPTZ)
        END AS time_value,
        said.recorded_at AS created,
        said.recorded_at,
        said.replaces
    FROM said
    LEFT JOIN rcdb.condition_types AS types ON types.name = said.name
),
by_people AS (
    SELECT
        fitted.*,
        FALSE AS is_duplicate,
        FALSE AS may_clear,
        CASE
            WHEN condition_type_id IS NULL
                THEN 'no condition type has this name; declare it by `alems-collect condition-type NAME TYPE`'
            WHEN coalesce(text_value, int_value::VARCHAR, float_value::VARCHAR, bool_value::VARCHAR, time_value::VARCHAR) IS NULL
                THEN 'the value is not of the type of its condition, or would lose something; write one that is'
        END AS problem
    FROM fitted
),
weighed AS (
    SELECT
        statements.* REPLACE (
            CASE
                WHEN statements.removed_at IS NOT NULL
                    THEN NULL
                WHEN runs.number IS NULL
                    THEN 'no run has this number: it has not landed yet, or its store removed it; taken as soon as the run lands'
                ELSE statements.problem
            END AS problem
        ),
        (text_value, int_value, float_value, bool_value, time_value) AS value,
        coalesce(text_value, int_value::VARCHAR, float_value::VARCHAR, bool_value::VARCHAR, time_value::VARCHAR) IS NULL
            AS is_empty
    FROM (SELECT * FROM by_store UNION ALL BY NAME SELECT * FROM by_people) AS statements
    LEFT JOIN rcdb.runs AS runs ON runs.number = statements.run_number
),
-- Those that may set the value, in the order of being said. What the store has no more counts as never said.
in_turn AS MATERIALIZED (
    SELECT
        weighed.*,
        row_number() OVER (
            PARTITION BY run_number, condition_type_id
            ORDER BY recorded_at, source = 'store' DESC, source, replaces, condition_id, value
        ) AS place
    FROM weighed
    WHERE problem IS NULL AND NOT is_duplicate AND removed_at IS NULL
),
-- One after the other: the first sets the value; the same again changes nothing; another one sets it if it may, or if there
-- is none yet.
taken AS (
    SELECT in_turn.*, value AS held, is_empty AS holds_none, 'set' AS outcome
    FROM in_turn
    WHERE place = 1
    UNION ALL
    SELECT
        compared.* EXCLUDE (held_before, held_none, is_same, sets),
        CASE WHEN sets THEN value ELSE held_before END AS held,
        CASE WHEN sets THEN is_empty ELSE held_none END AS holds_none,
        CASE WHEN is_same THEN 'same' WHEN sets THEN 'set' ELSE 'refused' END AS outcome
    FROM (
        SELECT
            in_turn.*,
            taken.held AS held_before,
            taken.holds_none AS held_none,
            -- Floats as RCDB does it; what the store says is taken exactly.
            in_turn.value IS NOT DISTINCT FROM taken.held
            OR (in_turn.is_empty AND NOT in_turn.may_clear)
            OR coalesce(in_turn.source <> 'store' AND abs(in_turn.float_value - taken.held[3]) <= 1e-12, FALSE) AS is_same,
            NOT is_same AND (in_turn.replaces OR taken.holds_none) AS sets
        FROM taken
        JOIN in_turn
            ON in_turn.run_number = taken.run_number
            AND in_turn.condition_type_id = taken.condition_type_id
            AND in_turn.place = taken.place + 1
    ) AS compared
),
replaced AS (
    SELECT
        taken.*,
        lead(recorded_at) OVER (PARTITION BY run_number, condition_type_id, outcome = 'set' ORDER BY place) AS next_at
    FROM taken
),
results AS (
    SELECT
        replaced.* EXCLUDE (place, held, holds_none, next_at) REPLACE (
            CASE
                WHEN outcome <> 'set' THEN outcome
                WHEN next_at IS NULL THEN 'current'
                ELSE 'replaced'
            END AS outcome,
            CASE WHEN outcome = 'refused' THEN 'the run has another value of it; write it with --replace' END AS problem
        ),
        CASE WHEN outcome = 'set' THEN next_at END AS replaced_at
    FROM replaced
    UNION ALL BY NAME
    SELECT
        weighed.*,
        CASE
            WHEN problem IS NOT NULL THEN 'refused'
            WHEN removed_at IS NULL THEN 'duplicate'
            WHEN next_version_at IS NULL THEN 'removed'
            ELSE 'replaced'
        END AS outcome,
        CASE
            WHEN problem IS NOT NULL THEN NULL
            WHEN removed_at IS NULL THEN recorded_at
            ELSE coalesce(next_version_at, removed_at)
        END AS replaced_at
    FROM weighed
    WHERE problem IS NOT NULL OR is_duplicate OR removed_at IS NOT NULL
)
SELECT
    run_number, name, condition_type_id, source, store_type_id, condition_id,
    text_value, int_value, float_value, bool_value, time_value,
    created, recorded_at, outcome, replaced_at, problem AS reason
FROM results
ORDER BY run_number, name, recorded_at, condition_id;
