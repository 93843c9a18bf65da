"""Stands for the engine that you know and flowspan does not: runners who hand on a baton."""

DISTANCE = 400


class DroppedError(Exception):
    """A runner lost the baton."""


class Runner:
    """One leg of a race."""

    def __init__(self, name: str, *, clumsy: bool = False) -> None:
        self.name = name
        self._drops = int(clumsy)

    def leg(self, baton: dict[str, int]) -> str:
        """Run, and say what is next."""
        if self._drops:
            self._drops -= 1
            raise DroppedError(self.name)
        baton["metres"] = baton.get("metres", 0) + 100
        return "on" if baton["metres"] < DISTANCE else "finish"


class Race:
    """Runners in their order; one who drops the baton runs again."""

    def __init__(self, name: str, runners: list[Runner]) -> None:
        self.name = name
        self.runners = runners

    def start(self, baton: dict[str, int]) -> dict[str, int]:
        """Run all legs."""
        for runner in self.runners:
            if self.hand_over(runner, baton) == "finish":
                break
        return baton

    def hand_over(self, runner: Runner, baton: dict[str, int]) -> str:
        """One leg, with as many attempts as it takes."""
        while True:
            try:
                return runner.leg(baton)
            except DroppedError:
                continue
