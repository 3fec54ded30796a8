"""Out of memory, in the words of everything that engines and trainers compute on; and sentences that only sound so."""

from __future__ import annotations

import pytest

from stylestudio.comfy.errors import OutOfMemory, execution_error
from stylestudio.comfy.memory import is_of_the_machine, says_memory_ran_out
from training.runs import faults
from training.trainers.kohya import output

CARD = [
    ("torch.OutOfMemoryError", "Allocation on device "),
    ("torch.OutOfMemoryError", "Allocation on device 0 would exceed allowed memory. (out of memory)"),
    ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity)"),
    ("RuntimeError", "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    ("torch.AcceleratorError", "CUDA error: out of memory"),
    ("RuntimeError", "CUDA driver error: out of memory"),
    ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ("RuntimeError", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ("RuntimeError", "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ("RuntimeError", "GET was unable to find an engine to execute this computation"),
    ("RuntimeError", "Error: cudaErrorMemoryAllocation"),
    ("RuntimeError", "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    ("torch.OutOfMemoryError", "HIP out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.9 GiB"),
    ("RuntimeError", "HIP error: out of memory"),
    ("RuntimeError", "hipErrorOutOfMemory"),
    ("RuntimeError", "HIP error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`"),
    ("RuntimeError", "miopenStatusAllocFailed"),
    (
        "RuntimeError",
        "Could not allocate tensor with 52428800 bytes. There is not enough GPU video memory available!",
    ),
    ("RuntimeError", "8007000E Not enough memory resources are available to complete this operation."),
    (
        "RuntimeError",
        "MPS backend out of memory (MPS allocated: 8.72 GB, max allowed: 9.07 GB). Tried to allocate 405 MB",
    ),
    ("RuntimeError", "Invalid buffer size: 19.38 GiB"),
    ("RuntimeError", "Invalid buffer size: 8.21 GB"),
    ("RuntimeError", "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"),
    ("RuntimeError", "failed assertion `Failed to allocate private MTLBuffer for size 2717908992'"),
    # torch's own checks fail where a card is full: pytorch issues 112377 and 185240, ComfyUI issue 10665.
    (
        "RuntimeError",
        'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDACachingAllocator.cpp":1016, please report',
    ),
    (
        "RuntimeError",
        "free_upper_bound + pytorch_used_bytes[device] <= device_total INTERNAL ASSERT FAILED at "
        '"C:\\pytorch\\c10\\cuda\\CUDAMallocAsyncAllocator.cpp":563, please report a bug to PyTorch.',
    ),
    ("torch.OutOfMemoryError", "XPU out of memory. Tried to allocate 128.00 GiB"),
    ("RuntimeError", "XPU out of memory. Tried to allocate 5.12 GiB (GPU 0; 15.11 GiB total capacity)"),
    ("RuntimeError", "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    ("RuntimeError", "Native API failed. Native API returns: 40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)"),
    (
        "RuntimeError",
        "Native API failed. Native API returns: -5 (PI_ERROR_OUT_OF_RESOURCES) -5 (PI_ERROR_OUT_OF_RESOURCES)",
    ),
    ("RuntimeError", "Allocation is out of device memory on current platform."),
    (
        "RuntimeError",
        "Current platform can NOT allocate memory block with size larger than 4GB! Tried to allocate 7.03 GiB",
    ),
    ("RuntimeError", "NPU out of memory. Tried to allocate 2.00 GiB"),
    (
        "RuntimeError",
        "call aclnnBatchMatMul failed, error code is 207001\n[ERROR] ERR00100 PTA call acl api failed",
    ),
    ("RuntimeError", "[Error]: Failed to apply for memory."),
    ("RuntimeError", "Memory_Allocation_Failure(EL0004): Failed to allocate memory requested by APP module."),
    ("SafetensorError", "device-side out of memory"),
    ("RuntimeError", "HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime failed to allocate the necessary resources."),
    ("RuntimeError", "rocblas_status_memory_error"),
    ("RuntimeError", "cudaMalloc failed: out of memory, failed to allocate CUDA0 buffer of size 1234"),
    ("RuntimeError", "Failed to allocate memory for requested buffer of size 805306368"),
    ("RuntimeError", "Error Code 2: OutOfMemory (no further information)"),
    (
        "RuntimeError",
        "command buffer exited with error status. The operations encoded on it may not have completed. "
        "Error: (null) Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    ),
    ("Exception", "Sampling failed: OutOfMemoryError('Allocation on device')"),
    ("RuntimeError", "Could not decode the latents because the GPU ran out of memory"),
    ("ValueError", "The model does not fit (CUDA out of memory)"),
]
MACHINE = [
    ("RuntimeError", "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried"),
    (
        "RuntimeError",
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
    ),
    ("OSError", "The paging file is too small for this operation to complete. (os error 1455)"),
    ("OSError", "页面文件太小，无法完成操作。 (os error 1455)"),
    ("OSError", "[WinError 1455] El archivo de paginación es demasiado pequeño para completar la operación"),
    ("OSError", "Insufficient system resources exist to complete the requested service. (os error 1450)"),
    ("OSError", "[Errno 12] Cannot allocate memory"),
    (
        "RuntimeError",
        "unable to mmap 23802932552 bytes from file </models/flux.safetensors>: Cannot allocate memory (12)",
    ),
    ("RuntimeError", "Native API failed. Native API returns: -6 (PI_ERROR_OUT_OF_HOST_MEMORY)"),
    ("RuntimeError", "NPU function error: aclrtMallocHostWithCfg, error code is 207001"),
    ("RuntimeError", "Resource_Error_Insufficient_Host_Memory(EL0018): Failed to allocate 1717986 bytes host memory"),
    ("MemoryError", ""),
    ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 4.00 GiB for an array with shape (1, 2)"),
    ("RuntimeError", "std::bad_alloc"),
    ("RuntimeError", "bad allocation"),
]
ORDINARY = [
    ("RuntimeError", "CUDA error: an illegal memory access was encountered"),
    ("ImportError", "libgomp-d22c30c5.so.1: cannot allocate memory in static TLS block"),
    ("RuntimeError", "unsupported memory format "),
    (
        "triton.runtime.errors.OutOfResources",
        "out of resource: shared memory, Required: 131072, Hardware limit: 101376.",
    ),
    (
        "RuntimeError",
        "It is possible that dataloader's workers are out of shared memory. Please try to raise the limit.",
    ),
    ("ValueError", "If you run out of memory, lower the batch size."),
    ("ValueError", "Use a smaller tile to avoid running out of memory."),
    ("ValueError", "Tiles of 2048 may run out of memory on small cards"),
    ("ValueError", "Set --lowvram when you run out of VRAM"),
    ("RuntimeError", "Tiling prevents out of memory errors and is not available for this model"),
    ("FileNotFoundError", "No such file or directory: 'out of memory.png'"),
    ("ValueError", "Value not in list: mode: 'out of memory' not in ['fast', 'slow']"),
    ("RuntimeError", "Pinned memory is not available on this platform"),
    ("RuntimeError", "Native API failed. Native API returns: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
    ("ValueError", "Invalid buffer size: expected 4, got 3"),
    ("ValueError", "Not enough values to unpack (expected 3, got 2)"),
    ("RuntimeError", "unable to allocate a port for the debugger"),
    ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)"),
    ("KeyError", "'memory'"),
    ("ValueError", "VAE is on CPU for decoding. This is most likely due to not enough memory"),
    ("RuntimeError", "Not enough memory to keep the text encoder loaded, offloading it"),
    ("RuntimeError", "index out of bounds memory access"),
    ("RuntimeError", "NPU function error: AclrtSynchronizeStreamWithTimeout, error code is 507015"),
    ("OSError", "[WinError 2] The system cannot find the file specified"),
    ("OSError", "[Errno 28] No space left on device"),
    ("RuntimeError", "The out of memory killer is disabled on this machine"),
]
RECOVERED = "Warning: Ran out of memory when regular VAE decoding, retrying with tiled VAE decoding."


@pytest.mark.parametrize(("type_", "message"), [*CARD, *MACHINE])
def test_every_device_says_in_its_words_that_memory_ran_out(type_: str, message: str) -> None:
    assert isinstance(execution_error("3", "KSampler", type_, message), OutOfMemory)


@pytest.mark.parametrize(("type_", "message"), [*CARD, *MACHINE])
def test_a_trainer_that_prints_it_ran_out_of_memory_too(type_: str, message: str) -> None:
    lines = ["caching latents.", *f"{type_}: {message}".splitlines(), "subprocess.CalledProcessError: Command"]
    assert output.cause(lines, 1)[0] == "out_of_memory"


@pytest.mark.parametrize(("type_", "message"), ORDINARY)
def test_a_sentence_that_only_mentions_memory_is_another_failure(type_: str, message: str) -> None:
    assert not isinstance(execution_error("3", "KSampler", type_, message), OutOfMemory)
    assert output.cause(["caching latents.", f"{type_}: {message}"], 1)[0] != "out_of_memory"


def test_a_step_that_was_done_in_another_way_is_not_why_something_else_failed() -> None:
    assert not says_memory_ran_out(RECOVERED)
    assert output.cause([RECOVERED, "RuntimeError: mat1 and mat2 shapes cannot be multiplied"], 1)[0] == "trainer"


def test_what_the_machine_lacks_is_told_from_what_a_card_lacks() -> None:
    said = [f"KSampler (node 3): {type_}: {message}" for type_, message in MACHINE]
    assert [text for text in said if not is_of_the_machine(text)] == []
    assert [text for type_, text in CARD if is_of_the_machine(f"KSampler (node 3): {type_}: {text}")] == []


def test_a_training_for_which_the_machine_was_too_small_says_so() -> None:
    assert "machine that trained" in faults.explain("out_of_memory", "OSError: [WinError 1455] 页面文件太小")
    assert "graphics memory" in faults.explain("out_of_memory", "torch.OutOfMemoryError: CUDA out of memory")


def test_a_long_line_is_looked_at_quickly_and_at_its_begin() -> None:
    assert says_memory_ran_out("CUDA out of memory. " + "x" * 5_000_000)
    assert not says_memory_ran_out("A" * 5_000_000 + "_" * 5_000_000)
