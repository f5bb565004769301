"""A link between two interfaces that takes its time and loses packets.

Arguments: the names of the two interfaces, the delay of one way in
milliseconds, and the packets in a thousand that are lost.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
# Packets under way in both directions; more are lost.
UNDER_WAY_MAX = 4000


def interface(name):
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return end


def main():
    first, second = interface(sys.argv[1]), interface(sys.argv[2])
    delay, lost = float(sys.argv[3]) / 1000, int(sys.argv[4])
    other = {first: second, second: first}
    chance, under_way, number = random.Random(1), [], 0
    print("ready", flush=True)
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for end in select.select([first, second], [], [], wait)[0]:
            try:
                packet = os.read(end, 65536)
            except OSError:
                continue
            if chance.randrange(1000) >= lost and len(under_way) < UNDER_WAY_MAX:
                number += 1
                heapq.heappush(under_way, (time.monotonic() + delay, number, other[end], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(under_way)
            try:
                os.write(end, packet)
            except OSError:
                pass


main()
