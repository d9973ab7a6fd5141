"""Data sets as the trainer's configuration names them."""
import numpy


def load(data, held_out=0.1):
    """Samples and labels to learn, and those that are held out: (x, y), (x, y).

    The same samples are held out each time. Bytes are divided by 255, as the built-in engine does.
    """
    kind = data["format"]
    if "part" in data:
        raise ValueError("part is of the built-in engine; cut the file with hostctl fl partition")
    if kind == "npz":
        with numpy.load(data["path"]) as file:
            x, y = file[data.get("samples", "x")], file[data.get("labels", "y")]
    elif kind == "npy":
        x, y = numpy.load(data["path"]), numpy.load(data["labels"])
    elif kind == "csv":
        table = numpy.genfromtxt(data["path"], delimiter=",", names=True)
        y = table[data["label"]]
        x = numpy.stack([table[name] for name in table.dtype.names if name != data["label"]], axis=1)
    else:
        raise ValueError("a data set in the format %s; load it by yourself" % kind)
    scale = data.get("scale", 1 / 255 if x.dtype == numpy.uint8 else 1)
    x, y = x.astype(numpy.float32) * numpy.float32(scale), y.astype(numpy.int64)
    order = numpy.random.RandomState(1).permutation(len(x))
    count = min(len(x) - 1, round(len(x) * held_out))
    held, learnt = numpy.sort(order[:count]), numpy.sort(order[count:])
    return (x[learnt], y[learnt]), (x[held], y[held])
