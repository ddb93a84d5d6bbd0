"""Random pipelines packed and asked about fresh rows, and every estimator of scikit-learn: ``make bench-pack``."""
