"""A figure of matplotlib's that a notebook shows although pyplot knows nothing of it."""

from io import BytesIO

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure that shows itself: pyplot's are shown by pyplot, and once more where a cell ends with one."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()
