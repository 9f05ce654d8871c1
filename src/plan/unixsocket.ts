import { bytes, pointer, struct, sys, u32, u64 } from "./instructions.ts";
import type { Instruction } from "./plan.ts";
export function connectUnix(path: string): { does: Instruction[]; socket: Instruction } {
  const name = new TextEncoder().encode(path);
  const address = bytes(new Uint8Array([1, 0, ...name, 0]));
  const socket = sys("socket", [1, 0x80001, 0]);
  return { does: [socket, sys("connect", [socket, address, address.bytes.length])], socket };
}
export function sendDescriptor(socket: Instruction, fd: Instruction, message: string): Instruction {
  const text = bytes(new TextEncoder().encode(message));
  const iov = struct([pointer(text), u64(text.bytes.length)]);
  const cmsg = struct([u64(20), u32(1), u32(1), u32(fd), u32(0)]);
  return sys("sendmsg", [socket, struct([u64(0), u64(0), pointer(iov), u64(1), pointer(cmsg), u64(24), u64(0)]), 0]);
}
