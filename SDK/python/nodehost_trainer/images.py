"""Makes an .npz data set of a folder of images: each folder in it is a class.

    python3 -m nodehost_trainer.images FOLDER FILE.npz --size 28x28 [--colour]

Reads what Pillow reads (PNG, JPEG, GIF, WebP, …); what is no image is named and left out.
"""
import argparse
import os
import sys

import numpy


def read(path, width, height, colour):
    """One image, as [rows, columns] or [3, rows, columns]."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image).convert("RGB" if colour else "L")
        pixels = numpy.asarray(image.resize((width, height)))
    return pixels.transpose(2, 0, 1) if colour else pixels


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("file")
    parser.add_argument("--size", default="28x28", help="columns x rows of each image; 28x28 if not given")
    parser.add_argument("--colour", action="store_true", help="three channels; one if not given")
    words = parser.parse_args()
    width, height = (int(number) for number in words.size.split("x"))
    classes = sorted(entry.name for entry in os.scandir(words.folder) if entry.is_dir())
    if not classes:
        sys.exit("%s has no folders; put the images of each class into one" % words.folder)
    images, labels, left_out = [], [], 0
    for label, name in enumerate(classes):
        folder = os.path.join(words.folder, name)
        for file in sorted(os.listdir(folder)):
            try:
                images.append(read(os.path.join(folder, file), width, height, words.colour))
                labels.append(label)
            except OSError as error:
                print("left out: %s: %s" % (os.path.join(folder, file), error), file=sys.stderr)
                left_out += 1
    if not images:
        sys.exit("there is no image in the folders of %s" % words.folder)
    numpy.savez_compressed(words.file, x=numpy.stack(images), y=numpy.array(labels), classes=numpy.array(classes))
    counts = ", ".join("%d %s" % (labels.count(label), name) for label, name in enumerate(classes))
    print("%s: %d images: %s; %d left out" % (words.file, len(images), counts, left_out))


if __name__ == "__main__":
    main()
