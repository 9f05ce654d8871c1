# Listens at argv[1] for a descriptor, and copies what comes from it to standard output until it hangs up.
import array, os, socket, sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(1)
print("listening", flush=True)
connection, _ = listener.accept()
fds = array.array("i")
_, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
fds.frombytes(ancillary[0][2][:4])
connection.close()
try:
    while data := os.read(fds[0], 4096):
        os.write(1, data)
except OSError:
    pass
