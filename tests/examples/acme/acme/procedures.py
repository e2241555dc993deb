"""A procedure."""

from dtrain import ConfigError, Procedure


class GentleStart(Procedure):
    """Takes the first steps with a smaller learning rate, then trains as the config says.

    count: of these steps, ≥ 1. share: of the learning rate that they take, in (0, 1]. When one of them is not finite,
    all of them are taken back.
    """

    examples = [{"count": 3, "share": 0.5}]

    def __init__(self, count: int = 10, share: float = 0.1):
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}")
        self.count, self.share = count, share

    def start(self, course):
        if "lr" not in course.options:
            raise ConfigError("gentle_start needs an optimizer with an option lr, got one without")

    def run(self, course):
        lr, beginning = course.options["lr"], course.mark()
        if not all(course.take_step({"lr": self.share * lr}).updated for _ in range(self.count)):
            course.rewind(beginning)
            course.say("gentle_start: the loss was not finite; starting again")
        course.train_on()
