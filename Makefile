# The commands of this repository. `make` alone lists them.
PY := .venv/bin/python

help:            ## list the commands
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup:           ## make .venv from the lock file (the others do it by themselves)
	@sh dev/setup.sh

demo: setup      ## watch a good release get promoted and a bad one roll itself back
	@$(PY) -m dev.demo

# Two processes at least: the tests on the cluster wait most of the time, the others compute (tests/order.py).
PYTEST := $(PY) -m pytest -n auto --dist loadgroup --no-loadscope-reorder --durations=10

test: lint cluster  ## the tests, those on the real cluster included
	@$(PYTEST) -m "not thorough"

thorough: cluster ## the tests that `make test` leaves out: more of the same kinds, the cluster's own tooling
	@$(PYTEST) -m thorough

unit: lint       ## the tests that need no cluster
	@$(PYTEST) -m "not cluster and not lifecycle"

lifecycle: setup ## the local cluster comes up, goes, crashes and comes back
	@$(PY) -m pytest -m lifecycle tests/cluster

lint: setup      ## format, lint, types, layers, stale files: seconds
	@.venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache >/dev/null || .venv/bin/lint-imports --no-cache
	@$(PY) -m verdigris.tools.crds --check
	@$(PY) -m verdigris.tools.stuck_table --check
	@$(PY) -m dev.protobuf --check
	@$(PY) -m dev.gate_schemas --check
	@$(PY) -m dev.dashboards --check
	@$(PY) -m verdigris.tools.chart_readme --check
	@$(PY) -m verdigris.tools.chart_alerts --check
	@$(PY) -m verdigris.tools.cli_schema --check

crds: setup      ## write the CRDs from the models
	@$(PY) -m verdigris.tools.crds --write

cli: setup       ## kubectl-verdigris as one file that needs python3 and kubectl only: out/kubectl-verdigris
	@$(PY) -m verdigris.tools.zipapp

gate-schemas: setup  ## write the schemas of the gates' documents, docs/gates
	@$(PY) -m dev.gate_schemas --write

lock: setup      ## resolve the lock files again
	@sh dev/lock.sh

cluster: setup   ## bring the local cluster up and leave it running
	@$(PY) -m dev.cluster up

images: setup    ## build all images and print their sizes
	@$(PY) -m dev.cluster images --all

simulate: setup  ## the operator's loop in virtual time, each fault at each call and phase: out/simulation/report.json (1 h)
	@$(PY) -m tests.simulation

proof: setup     ## the judge on 10,000 rollouts of each kind, with faults: tables, chart, out/proof/report.json (30 min)
	@$(PY) -m benchmarks.proof

mutate: setup    ## small faults in the core's decisions: would a test notice? a sample; all by ARGS=--all (hours)
	@$(PY) -m dev.mutation $(ARGS)

# The core's own tests, without what draws its cases, and without what goes through every field, fault and moment: those
# take twice as long as all the others, and reach nothing that these do not.
COVERED := tests/rollout tests/judge
EXHAUSTIVE := $(addprefix tests/rollout/test_,every_field_shows kept_baseline late_moves laws refused_writes) \
	$(addprefix tests/judge/test_,proof simulation)

coverage: setup  ## every line and branch of the core is reached by its own tests: the bar is 100 % (5 min of a core)
	@rm -rf out/coverage && mkdir -p out/coverage
	@$(PY) -m coverage run -m pytest -q -n auto --dist worksteal -m "not hypothesis" \
		$(patsubst %,--ignore=%.py,$(EXHAUSTIVE)) $(COVERED)
	@$(PY) -m coverage combine --quiet && $(PY) -m coverage report

fuzz: setup      ## fuzz the parser of requests for ten minutes, guided by coverage
	@$(PY) -m tests.serving.fuzz_requests -max_total_time=600

bench-serving: setup  ## our server and its peers on one core: table, chart, out/bench/serving.json (14 min)
	@$(PY) -m benchmarks.serving

bench-stuck: setup  ## faults given to Verdigris and to a plain Deployment: table, out/bench/stuck.json (15 min)
	@$(PY) -m benchmarks.stuck

bench-laws: setup  ## refused writes and a storm of new models, under load: tables, out/bench/laws.json (30 min)
	@$(PY) -m benchmarks.laws

bench-shield: setup  ## what clients notice of a version on trial, whatever fails: table, out/bench/shield.json (about 25 min)
	@$(PY) -m benchmarks.shield

bench-alerts: setup  ## each alert by a real fault, and none during sound releases: out/bench/alerts.json (75 min)
	@$(PY) -m benchmarks.alerts

bench-dashboards: setup  ## every query of both dashboards during rollouts, and a picture of each: out/bench (8 min)
	@$(PY) -m benchmarks.dashboards

bench-gates: setup  ## how often the gates are wrong, on data whose truth is known: tables, out/bench/gates.json (10 min)
	@$(PY) -m benchmarks.gates

bench-audit: setup  ## what the audit log costs: entries a second, bytes, a long log verified: out/bench/audit.json (1 min)
	@$(PY) -m benchmarks.audit

bench-page: setup  ## the page with 500 models: first paint, memory of ten more viewers: out/bench/page.json (2 min)
	@$(PY) -m tests.web.bench

bench-pack: setup  ## random pipelines packed and asked beside scikit-learn: out/bench/pack.json, docs/estimators.md (1 h)
	@$(PY) -m benchmarks.pack --page docs/estimators.md

clean: setup     ## end the local cluster
	@$(PY) -m dev.cluster down

.PHONY: help setup demo test thorough unit lifecycle lint crds cli lock cluster images simulate proof mutate coverage fuzz
.PHONY: bench-serving bench-stuck bench-laws bench-shield bench-alerts bench-dashboards bench-gates bench-audit bench-page
.PHONY: bench-pack gate-schemas clean
