"""Write every golden plan anew: `python -m tests.golden.update`. Review the diff like code."""

from tests.golden import plans

if __name__ == "__main__":
    wanted = {plans.path_of(*name): plans.text_of(plans.plan_of(*name)) for name in plans.names()}
    for stale in set(plans.HERE.glob("plans/*.json")) - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.write_text(text, "utf-8")
