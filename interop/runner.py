"""Runs cases, each a function of a testbed, and counts."""
import shutil
import sys
import time
import traceback


class Run:
    """The testbed is made when it is needed. A case in which an i2pd process died is run once more, in a new network."""

    def __init__(self, make_testbed):
        self.make_testbed, self.bed = make_testbed, None
        self.passed = self.failed = 0

    def case(self, case, rerun=False):
        began = time.monotonic()
        try:
            if self.bed is None:
                self.bed = self.make_testbed()
            result = case(self.bed) or ""
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the case's failure
            dead = self.bed.network.dead(patience=2) if self.bed else []
            if dead and not rerun:
                print(f"  {case.__name__}: i2pd died ({', '.join(r.name for r in dead)}): once more in a new network")
                self.close()
                self.case(case, rerun=True)
                return
            self.failed += 1
            if self.bed is not None:
                print(f"  what the routers logged is kept in {self.bed.keep(case.__name__)}")
            traceback.print_exc(limit=3, file=sys.stdout)
            print(f"FAILED {case.__name__}: {error}", flush=True)
            return
        self.passed += 1
        print(f"ok     {case.__name__} ({time.monotonic() - began:.1f} s) {result}", flush=True)

    def close(self):
        if self.bed is not None:
            self.bed.stop()
            self.bed = None

    def all(self, cases):
        """Runs them, prints the sums; the exit code."""
        try:
            for case in cases:
                self.case(case)
        finally:
            self.close()
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def keep_logs(directory, name, patterns=("**/*.log",)):
    """A copy of all logs beside the testbed's folder, for whoever seeks the cause."""
    kept = directory.parent / f"{directory.name}-failed-{name}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in (log for pattern in patterns for log in directory.glob(pattern)):
        copy = kept / log.relative_to(directory)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, copy)
    return kept
