"""Writes small files of every format with NumPy, each with what is in it. usage: make-data.py FOLDER"""
import gzip
import os
import struct
import sys

import numpy
from PIL import Image

folder = sys.argv[1]
numbers = numpy.arange(24).reshape(6, 4)
labels = numpy.array([0, 1, 2, 0, 1, 2])
for name, kind in [("u1", "u1"), ("i1", "i1"), ("u2", "<u2"), ("i2", ">i2"), ("i4", "<i4"), ("i8", ">i8"),
                   ("f4", "<f4"), ("f8", ">f8")]:
    numpy.save("%s/%s.npy" % (folder, name), numbers.astype(kind))
numpy.save(folder + "/fortran.npy", numpy.asfortranarray(numbers))
numpy.save(folder + "/text.npy", numpy.array(["a"]))
numpy.save(folder + "/labels.npy", labels)
numpy.savez(folder + "/stored.npz", x=numbers, y=labels)
numpy.savez_compressed(folder + "/packed.npz", x=numbers.reshape(6, 2, 2).astype("u1"), y=labels.astype("i4"))
numpy.savez_compressed(folder + "/images.npz", x=numbers.reshape(6, 1, 2, 2).astype("f4"), y=labels)
idx = struct.pack(">BBBBIII", 0, 0, 8, 3, 6, 2, 2) + numbers.astype("u1").tobytes()
open(folder + "/images.idx", "wb").write(idx)
open(folder + "/images.idx.gz", "wb").write(gzip.compress(idx))
open(folder + "/labels.idx", "wb").write(struct.pack(">BBBBI", 0, 0, 8, 1, 6) + labels.astype("u1").tobytes())
numpy.savetxt(folder + "/rows.csv", numpy.hstack([numbers, labels[:, None]]), delimiter=",", fmt="%g",
              header="a,b,c,d,class", comments="")
numpy.savetxt(folder + "/plain.csv", numpy.hstack([labels[:, None], numbers]), delimiter=",", fmt="%.7e")

# Four columns of the middle are left of the wide one: two black ones and two white ones.
wide = Image.new("L", (8, 4), 255)
wide.paste(0, (0, 0, 4, 4))
os.makedirs(folder + "/pictures/first")
os.makedirs(folder + "/pictures/second")
Image.new("RGB", (4, 4), (255, 0, 0)).save(folder + "/pictures/first/red.png")
wide.save(folder + "/pictures/first/wide.gif")
Image.new("RGBA", (4, 4), (255, 255, 255, 0)).save(folder + "/pictures/second/clear.png")
Image.new("L", (4, 4), 128).save(folder + "/pictures/second/GREY.JPG", "JPEG", quality=95)
Image.new("RGB", (16, 16), (0, 0, 255)).save(folder + "/pictures/second/large.webp", lossless=True)
open(folder + "/pictures/second/about.txt", "w").write("no picture")
