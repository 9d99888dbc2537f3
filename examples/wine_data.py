"""Writes scikit-learn's wine data as CSV, its features under the names that UCI gives them: wine_data.py FILE."""

import sys

from sklearn.datasets import load_wine

FEATURES = (
    "Alcohol", "Malicacid", "Ash", "Alcalinity_of_ash", "Magnesium", "Total_phenols", "Flavanoids",
    "Nonflavanoid_phenols", "Proanthocyanins", "Color_intensity", "Hue", "0D280_0D315_of_diluted_wines", "Proline",
)  # fmt: skip

wine = load_wine(as_frame=True).frame
wine.columns = [*FEATURES, "class"]
wine.to_csv(sys.argv[1], index=False)
