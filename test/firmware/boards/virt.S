# Start of an image for QEMU's machine "virt", which jumps to the first address of RAM in machine mode.
	.option arch, +zicsr
	.section .text.start
	.globl _start
_start:
	la	sp, _stack_top
	la	t0, _bss_start
	la	t1, _bss_end
1:	bgeu	t0, t1, 2f
	sw	zero, 0(t0)
	addi	t0, t0, 4
	j	1b
2:	la	t0, trap
	csrw	mtvec, t0
	li	t0, (1 << 11) | (1 << 7)	# UART and clock end a wfi; with mstatus.MIE clear they do no more
	csrw	mie, t0
	call	main
	call	board_end

# Nothing interrupts: a trap is a mistake of the firmware. 98 is what the test sees.
	.balign	4
trap:	li	a0, 98
	call	board_end

# semihosting asks the host for something: a0 says what, a1 with which argument. QEMU looks for exactly these three instructions, uncompressed and in one page.
	.globl	semihosting
	.balign	16
	.option push
	.option norvc
semihosting:
	slli	zero, zero, 0x1f
	ebreak
	srai	zero, zero, 7
	ret
	.option pop
