# Listens at argv[1] for the listener of a seccomp filter, prints what came with it, and answers argv[2] calls with errno argv[3].
import array, fcntl, os, socket, struct, sys

RECV, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(1)
print("listening", flush=True)
connection, _ = listener.accept()
fds = array.array("i")
message, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
fds.frombytes(ancillary[0][2][:4])
connection.close()
print(message.decode(), flush=True)
for _ in range(int(sys.argv[2])):
    asked = bytearray(80)
    fcntl.ioctl(fds[0], RECV, asked)
    number = struct.unpack_from("Q", asked)[0]
    fcntl.ioctl(fds[0], SEND, struct.pack("QqiI", number, 0, -int(sys.argv[3]), 0))
