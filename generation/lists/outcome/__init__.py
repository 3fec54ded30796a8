"""What came of a list: its rows with their pictures (`results`), all of them on one picture (`sheets`), and what was
made of all of them since (`stages`).
"""
