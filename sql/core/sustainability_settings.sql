-- What is added to the energy that was measured before it becomes carbon, water and methane: one row, changed here.
CREATE OR REPLACE TABLE main.sustainability_settings (
    pue DOUBLE NOT NULL CHECK (pue >= 1), -- power usage effectiveness: energy of the site per energy of its computers
    embodied_share DOUBLE NOT NULL CHECK (embodied_share >= 0 AND embodied_share < 1) -- part of all carbon that making the hardware caused
);

INSERT INTO main.sustainability_settings BY NAME
SELECT
    1.0 AS pue,
    0.0 AS embodied_share;
