"""Tables of other programs, read as they are: audformat, Hugging Face's audiofolder, Kaldi, lhotse."""
