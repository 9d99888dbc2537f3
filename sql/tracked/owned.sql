-- A table of tracked stores whose rows a run or trace owns: those that were read together with the record of the owner
-- that counts. A template.
SELECT owned.*
FROM stage.{dataset} AS owned
SEMI JOIN {schema}.{owner} AS owners ON {same}
