"""Files that are offered as pictures: odd ones that have to be read, and broken ones that must cost one line."""

import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

SIDE = 24
PIXELS = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def encoded(format, image=None, **options):
    """The bytes of a file of ``image``, or of PIXELS."""
    file = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(file, format, **options)
    return file.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, *, rows, depth=8, color=0, extra=b""):
    """A PNG file by hand: ``rows``, with the byte of the filter before each, are what IDAT holds; color 0 is gray."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def odd():
    """name -> bytes of pictures that are read."""
    colors, gray = Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0])
    alpha = colors.copy()
    alpha.putalpha(gray)
    frames = {"save_all": True, "append_images": [colors.rotate(90), colors.rotate(180)], "duration": 50}
    ramp = b"".join(b"\0" + np.linspace(0, 65535, SIDE).astype(">u2").tobytes() for _ in range(SIDE))
    palette = colors.quantize(16)
    cmyk = colors.convert("CMYK")
    inverted = encoded("JPEG", cmyk)
    adobe = inverted.index(b"Adobe")  # the last byte of that segment says how the four channels are meant
    exif = Image.Exif()
    exif[0x010E] = "a" * 60_000
    whole = encoded("PNG")
    data = whole.index(b"IDAT")
    files = {
        "one_pixel.png": encoded("PNG", Image.new("RGB", (1, 1))),
        "wide.png": png(30_000, 2, rows=b"\0" * 60_002),
        "tall.png": png(2, 30_000, rows=b"\0" * 90_000),
        "gray16.png": png(SIDE, SIDE, rows=ramp, depth=16),
        "gray16_transparent.png": png(SIDE, SIDE, rows=ramp, depth=16, extra=chunk(b"tRNS", b"\0\0")),
        "tiff.png": encoded("TIFF"),
        "ppm.png": encoded("PPM"),
        "one_bit.png": encoded("PNG", gray.convert("1")),
        "gray_alpha.png": encoded("PNG", alpha.convert("LA")),
        "alpha.png": encoded("PNG", alpha),
        "alpha.webp": encoded("WEBP", alpha),
        "palette.png": encoded("PNG", palette),
        "palette_transparent.png": encoded("PNG", palette, transparency=3),
        "palette_alphas.png": encoded("PNG", palette, transparency=bytes(range(0, 256, 16))),
        "palette_transparent.gif": encoded("GIF", palette, transparency=3),
        "gray.jpg": encoded("JPEG", gray),
        "progressive.jpg": encoded("JPEG", progressive=True),
        "cmyk.jpg": inverted,
        "ycck.jpg": inverted[: adobe + 11] + b"\2" + inverted[adobe + 12 :],
        "plain.bmp": encoded("BMP"),
        "palette.bmp": encoded("BMP", palette),
        "animated.gif": encoded("GIF", **frames),
        "animated.webp": encoded("WEBP", **frames),
        "animated.png": encoded("PNG", **frames),
        "long_exif.jpg": encoded("JPEG", exif=exif),
        "bad_exif.jpg": encoded("JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff" + b"\xff" * 40),
        "bad_exif.png": encoded("PNG", exif=b"Exif\0\0II\x2a\0\x08\0\0\0\xff\xff" + b"\x12\1" * 9),
        "large_profile.jpg": encoded("JPEG", icc_profile=os.urandom(2_000_000)),
        "misnamed.jpg": encoded("PNG"),
        "trailing.jpg": encoded("JPEG") + b"\0" * 5_000,
        "chunk_too_long.png": whole[: data - 4] + b"\x7f\xff\xff\xff" + whole[data:],
    }
    for orientation in range(1, 10):  # 9 is none
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"orientation_{orientation}.jpg"] = encoded("JPEG", exif=exif)
    return files


def broken():
    """name -> bytes of files that are refused."""
    whole = {"jpg": encoded("JPEG"), "png": encoded("PNG"), "webp": encoded("WEBP"), "gif": encoded("GIF")}
    data = whole["png"].index(b"IDAT")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", whole["png"])
    canvas = (16_382).to_bytes(3, "little")
    files = {
        "empty.jpg": b"",
        "text.jpg": b"not a picture\n",
        "page.png": b"<!doctype html><script>alert(1)</script>",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "archive.png": archive.getvalue(),
        "pickle.jpg": pickle.dumps({"a": print}),
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        "pcx.png": encoded("PCX"),
        "signature.png": whole["png"][:8],
        "claims_60000.png": png(60_000, 60_000, rows=b"\0"),
        "bomb.png": png(20_000, 20_000, rows=b"\0" * 100_000),
        "bomb_one_bit.png": png(65_000, 65_000, rows=b"\0" * 100_000, depth=1),
        "sides.png": png(90_000_000, 1, rows=b"\0" * 100),
        "bomb.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + whole["gif"][10:],
        "bomb.jpg": _resized_jpeg(whole["jpg"], 65_500),
        "bomb.bmp": encoded("BMP")[:18] + struct.pack("<ii", 50_000, 50_000) + encoded("BMP")[26:],
        "bomb.webp": b"RIFF" + struct.pack("<I", 90) + b"WEBPVP8X\x0a\0\0\0\x10\0\0\0" + canvas + canvas + b"\0" * 60,
        "crc.png": whole["png"][:29] + b"\0\0\0\0" + whole["png"][33:],
        "chunk_too_short.png": whole["png"][: data - 4] + b"\0\0\0\1" + whole["png"][data:],
        "no_size.png": png(0, 0, rows=b""),
        "no_pixels.png": png(SIDE, SIDE, rows=b""),
        "garbage.jpg": whole["jpg"][:200] + bytes(range(256)) * 9,
        "profile_bomb.png": png(
            9, 9, rows=b"\0" * 90, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 90_000_000))
        ),
    }
    for suffix, content in whole.items():
        for percent in (15, 60):
            files[f"truncated_{percent}.{suffix}"] = content[: len(content) * percent // 100]
    return files


def nearly_too_large():
    """A PNG of 98 million pixels, some transparent, in 12 kB: it is read, and takes most of a gigabyte."""
    palette = chunk(b"PLTE", b"\0\0\xff\xff\0\0") + chunk(b"tRNS", b"\x80")
    return png(9_900, 9_900, rows=bytes(9_900 * (1 + 1_238)), depth=1, color=3, extra=palette)


def strange_places(folder):
    """Makes what is no regular file, and returns the paths: none can be read, whoever asks."""
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to(folder / "nothing.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    os.mkfifo(folder / "pipe.png")
    return [folder / name for name in ("folder.png", "dangling.png", "loop.png", "pipe.png", "absent.png")]


def _resized_jpeg(content, side):
    """``content`` with another size in its header."""
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", side, side) + content[frame + 4 :]
