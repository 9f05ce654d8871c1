/** Unix sockets: unix(7). */
import { VitrineError } from "../errors.ts";
import { AF_UNIX, SCM_RIGHTS, SOCK_STREAM_CLOEXEC, SOL_SOCKET } from "../linux/constants.ts";
import { bytes, pointer, struct, sys, text, u32, u64 } from "./instructions.ts";
import type { Data, Instruction, Sys } from "./plan.ts";

/** sun_path of struct sockaddr_un, with its NUL. */
const LONGEST_PATH = 108;

/** Connects to a stream socket that somebody listens at. @throws INVALID if the path is too long for an address */
export function connectUnix(path: string): { does: Instruction[]; socket: Sys } {
  const name = new TextEncoder().encode(path);
  if (name.length >= LONGEST_PATH)
    throw new VitrineError(
      "INVALID",
      `the socket "${path}": its path is ${name.length} bytes long, and an address takes 107`,
      {
        hint: "a link to its directory makes it shorter",
      },
    );
  const address = bytes(new Uint8Array([AF_UNIX, 0, ...name, 0]));
  const socket = sys("socket", [AF_UNIX, SOCK_STREAM_CLOEXEC, 0]);
  return { does: [socket, sys("connect", [socket, address, address.bytes.length])], socket };
}

/** Sends a message and a descriptor: SCM_RIGHTS. */
export function sendDescriptor(socket: Instruction, descriptor: Instruction, message: string | Data): Sys {
  const data = typeof message === "string" ? text(message) : message;
  const vector = struct([pointer(data), u64(data.bytes.length)]); // struct iovec
  const control = struct([u64(20), u32(SOL_SOCKET), u32(SCM_RIGHTS), u32(descriptor), u32(0)]); // struct cmsghdr, padded
  // struct msghdr: no name, one part, control data
  const header = struct([u64(0), u64(0), pointer(vector), u64(1), pointer(control), u64(24), u64(0)]);
  return sys("sendmsg", [socket, header, 0]);
}
