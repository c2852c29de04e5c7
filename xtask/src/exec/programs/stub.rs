//! The least that Windows takes for a program: a stand-in that can be packed and code-signed, and only fails when run.

/// Where the section begins, in the file and in memory, and how large it is (learn.microsoft.com, "PE Format").
const FILE_ALIGNMENT: usize = 0x200;
const SECTION_ADDRESS: u32 = 0x1000;
const BASE: u64 = 0x1_4000_0000;

/// `mov eax, 1; ret`: what the entry point returns ends the thread, and with it the process, with exit code 1.
const CODE: [u8; 6] = [0xb8, 1, 0, 0, 0, 0xc3];

/// A 64-bit console program with a text in it.
pub(super) fn windows_program(text: &str) -> Vec<u8> {
    let mut section = CODE.to_vec();
    section.extend(text.as_bytes());
    let length = section.len();
    section.resize(length.next_multiple_of(FILE_ALIGNMENT), 0);
    let mut program = headers(count(length), count(section.len()));
    program.resize(FILE_ALIGNMENT, 0);
    program.extend(section);
    program
}

fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a stand-in has a few hundred bytes")
}

fn headers(length: u32, raw_length: u32) -> Vec<u8> {
    let alignment = count(FILE_ALIGNMENT);
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    put(&mut bytes, &[0x40]);
    bytes.extend(b"PE\0\0");
    // File header: AMD64, one section, no time, no symbols, 240 bytes of optional header, executable and large.
    bytes.extend([0x64, 0x86, 1, 0]);
    put(&mut bytes, &[0, 0, 0]);
    bytes.extend([240, 0, 0x22, 0]);
    // Optional header of PE32+: sizes, entry point, base, alignments, version 6.0, console.
    bytes.extend([0x0b, 0x02, 0, 0]);
    put(&mut bytes, &[raw_length, 0, 0, SECTION_ADDRESS, SECTION_ADDRESS]);
    bytes.extend(BASE.to_le_bytes());
    put(&mut bytes, &[SECTION_ADDRESS, alignment, 6, 0, 6, 0, 2 * SECTION_ADDRESS, alignment, 0]);
    // Console; it may be moved and its data not be run.
    bytes.extend([3, 0, 0x00, 0x01]);
    for size in [0x10_0000_u64, 0x1000, 0x10_0000, 0x1000] {
        bytes.extend(size.to_le_bytes());
    }
    put(&mut bytes, &[0, 16]);
    bytes.extend([0; 16 * 8]);
    // Its section: code, read and executed.
    bytes.extend(b".text\0\0\0");
    put(&mut bytes, &[length, SECTION_ADDRESS, raw_length, alignment, 0, 0, 0, 0x6000_0020]);
    bytes
}

fn put(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::pe::PeFile64;
    use object::{Object, ObjectSection};

    #[test]
    fn a_stand_in_is_a_program_of_one_section_that_holds_the_text() {
        let program = windows_program("stand-in");
        let file = PeFile64::parse(&*program).unwrap();
        assert_eq!(file.entry(), BASE + u64::from(SECTION_ADDRESS));
        let sections: Vec<_> = file.sections().collect();
        let data = sections[0].data().unwrap();
        assert_eq!(sections.len(), 1);
        assert_eq!(data, [&CODE[..], b"stand-in"].concat());
        assert_eq!(file.data_directories().len(), 16);
        assert_eq!(program.len(), 2 * FILE_ALIGNMENT);
    }
}
