"""Models that were exported, read by other programs. ExportTests runs it.

usage: models.py FOLDER        NumPy reads NAME.npz, and compares it with NAME.bin, the same floats bare
       models.py FOLDER onnx   ONNX's checker reads NAME.onnx, and onnxruntime computes with it; FOLDER/NAME.io.npz has
                               what goes in and what the engine puts out
"""
import glob
import os
import sys

import numpy as np

FOLDER = sys.argv[1]


def arrays(path):
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_npz():
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.bin"))):
        loaded = arrays(path[:-4] + ".npz")
        bare = np.fromfile(path, dtype="<f4")
        assert all(array.dtype == np.float32 and array.flags["C_CONTIGUOUS"] for array in loaded.values())
        assert np.array_equal(np.concatenate([array.ravel() for array in loaded.values()]), bare), path
        print("%s: %s" % (os.path.basename(path)[:-4], " ".join(
            "%s%s" % (name, list(array.shape)) for name, array in loaded.items())))


def compute_onnx():
    import onnx
    import onnxruntime
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.onnx"))):
        onnx.checker.check_model(onnx.load(path), full_check=True)
        played = arrays(path[:-5] + ".io.npz")
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        answer = session.run(["output"], {"input": played["input"]})[0]
        difference = np.abs(answer.reshape(played["output"].shape) - played["output"]).max()
        scale = np.abs(played["output"]).max()
        assert difference <= 1e-4 * max(1, scale), "%s differs by %g of %g" % (path, difference, scale)
        print("%s agrees" % os.path.basename(path)[:-5])


compute_onnx() if sys.argv[2:] == ["onnx"] else read_npz()
