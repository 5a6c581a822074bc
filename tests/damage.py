"""Files made to harm a reader."""

import struct
import zlib


def png_of_zeros(width, height, depth=1, color=0):
    """A PNG whose rows are never held together in memory."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (width * depth + 7) // 8)
    packed = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
