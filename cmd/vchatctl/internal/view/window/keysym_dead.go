package window

import "github.com/jezek/xgb/xproto"

// Dead keys print nothing, and an accent over the next letter.
const symDeadFirst = 0xfe50 // dead_grave; the others follow in the order of accents

// accents has what each of them is without a letter, and each letter followed by what it becomes.
var accents = []struct {
	alone   rune
	letters string
}{
	{'`', "AÀEÈIÌNǸOÒUÙWẀYỲaàeèiìnǹoòuùwẁyỳ"}, // grave
	{'\'', "AÁCĆEÉGǴIÍKḰLĹMḾNŃOÓPṔRŔSŚUÚWẂYÝZŹaácćeégǵiíkḱlĺmḿnńoópṕrŕsśuúwẃyýzźΑΆΕΈΗΉΙΊΟΌΥΎΩΏαάεέηήιίοόυύωώϊΐϋΰ"}, // acute
	{'^', "AÂCĈEÊGĜHĤIÎJĴOÔSŜUÛWŴYŶZẐaâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷzẑ"},                                                  // circumflex
	{'~', "AÃEẼIĨNÑOÕUŨVṼYỸaãeẽiĩnñoõuũvṽyỹ"},                                                                      // tilde
	{'¯', "AĀEĒGḠIĪOŌUŪYȲaāeēgḡiīoōuūyȳ"},                                                                          // macron
	{'˘', "AĂEĔGĞIĬOŎUŬaăeĕgğiĭoŏuŭ"},                                                                              // breve
	{'˙', "AȦBḂCĊDḊEĖFḞGĠHḢIİMṀNṄOȮPṖRṘSṠTṪWẆXẊYẎZŻaȧbḃcċdḋeėfḟgġhḣmṁnṅoȯpṗrṙsṡtṫwẇxẋyẏzż"},                        // dot above
	{'"', "AÄEËHḦIÏOÖUÜWẄXẌYŸaäeëhḧiïoötẗuüwẅxẍyÿΙΪΥΫιϊυϋ"},                                                        // diaeresis
	{'°', "AÅUŮaåuůwẘyẙ"}, // ring
	{'˝', "OŐUŰoőuű"},     // double acute
	{'ˇ', "AǍCČDĎEĚGǦHȞIǏKǨLĽNŇOǑRŘSŠTŤUǓZŽaǎcčdďeěgǧhȟiǐjǰkǩlľnňoǒrřsštťuǔzž"}, // caron
	{'¸', "CÇDḐEȨGĢHḨKĶLĻNŅRŖSŞTŢcçdḑeȩgģhḩkķlļnņrŗsştţ"},                       // cedilla
	{'˛', "AĄEĘIĮOǪUŲaąeęiįoǫuų"},                                               // ogonek
}

// isDead says whether it is a dead key.
func isDead(s xproto.Keysym) bool {
	return s >= symDeadFirst && s < symDeadFirst+xproto.Keysym(len(accents))
}

// accented is what comes of a dead key and the character after it: with a space the accent alone, and the character
// unchanged where the two do not go together.
func accented(dead xproto.Keysym, r rune) rune {
	a := accents[dead-symDeadFirst]
	if r == ' ' {
		return a.alone
	}
	letters := []rune(a.letters)
	for i := 0; i+1 < len(letters); i += 2 {
		if letters[i] == r {
			return letters[i+1]
		}
	}
	return r
}
